//! A small, strict checker: balanced tags, quoted attributes, unique ids, links with a target.

use std::collections::BTreeSet;

const VOID: [&str; 4] = ["!DOCTYPE", "meta", "br", "hr"];

/// Fails with the first thing that is wrong in `page`.
pub(super) fn check(page: &str) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    let (mut ids, mut links) = (BTreeSet::new(), BTreeSet::new());
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let end = rest.find('>').ok_or_else(|| format!("no end: {rest:.40}"))?;
        let tag = &rest[..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            let last = open.pop();
            if last != Some(name) {
                return Err(format!("</{name}> closes {last:?}"));
            }
            continue;
        }
        let name = tag.split([' ', '/', '\n']).next().unwrap_or_default();
        for (key, value) in attributes(tag)? {
            match key {
                "id" if !ids.insert(value) => return Err(format!("id {value} twice")),
                "href" | "aria-labelledby" => {
                    links.insert(value.trim_start_matches('#'));
                }
                _ => {}
            }
        }
        if !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
        }
    }
    if let Some(name) = open.last() {
        return Err(format!("<{name}> stays open"));
    }
    match links.difference(&ids).next() {
        Some(link) => Err(format!("#{link} leads nowhere")),
        None => Ok(()),
    }
}

fn attributes(tag: &str) -> Result<Vec<(&str, &str)>, String> {
    let mut out = Vec::new();
    let mut rest = tag;
    while let Some(at) = rest.find('=') {
        let key = rest[..at].rsplit([' ', '\n']).next().unwrap_or_default();
        let value = rest[at + 1..].strip_prefix('"').ok_or_else(|| format!("unquoted: {tag}"))?;
        let end = value.find('"').ok_or_else(|| format!("quote stays open: {tag}"))?;
        out.push((key, &value[..end]));
        rest = &value[end + 1..];
    }
    Ok(out)
}
