//! `azir completions` and `azir man`: made from the definitions of the command line themselves.

use std::path::Path;

use clap::{Command, CommandFactory as _};

use super::{Talk, input, say};
use crate::cli::Cli;
use crate::error::CliError;

/// Writes the completion script of a shell to standard output.
pub(crate) fn completions(shell: clap_complete::Shell) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "azir", &mut script);
    say(&String::from_utf8_lossy(&script))
}

/// Words by which a page of an earlier run is known.
const TITLE: &str = ".TH azir";

/// Writes one man page for each command; pages of an earlier run are replaced.
pub(crate) fn man(talk: Talk, dir: &Path) -> Result<(), CliError> {
    let mut root = Cli::command();
    root.build();
    let mut pages = Vec::new();
    render(&root, "azir", &mut pages).map_err(|e| CliError::Internal(e.to_string()))?;
    std::fs::create_dir_all(dir).map_err(|e| CliError::write(dir, e))?;
    for (name, _) in &pages {
        let file = dir.join(name);
        if file.exists() && !String::from_utf8_lossy(&input(&file)?).contains(TITLE) {
            return Err(CliError::Usage(format!(
                "{} is no man page of azir; nothing was written, name another directory",
                file.display()
            )));
        }
    }
    for (name, page) in &pages {
        let file = dir.join(name);
        std::fs::write(&file, page).map_err(|e| CliError::write(&file, e))?;
    }
    let names: Vec<_> = pages.iter().map(|(name, _)| name.as_str()).collect();
    if talk.json {
        let value = serde_json::json!({"dir": dir.display().to_string(), "pages": names});
        return say(&format!("{value}\n"));
    }
    say(&format!(
        "{} pages in {}\nread: man -l {}/azir.1\n",
        names.len(),
        dir.display(),
        dir.display()
    ))
}

/// The page of a command and of every command below it that is shown in help.
fn render(
    command: &Command,
    name: &str,
    pages: &mut Vec<(String, Vec<u8>)>,
) -> std::io::Result<()> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).title(name).render(&mut page)?;
    pages.push((format!("{name}.1"), page));
    let below = command.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help");
    for sub in below {
        render(sub, &format!("{name}-{}", sub.get_name()), pages)?;
    }
    Ok(())
}
