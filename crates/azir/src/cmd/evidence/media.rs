//! What content is, told from its first bytes.

/// How many first bytes are looked at.
pub(super) const HEAD_BYTES: usize = 8192;

/// Archives that are opened when content is searched for private keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Archive {
    Gzip,
    Zip,
    Tar,
}

impl Archive {
    /// What the first bytes say.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        if head.starts_with(&[0x1f, 0x8b, 8]) {
            Some(Self::Gzip)
        } else if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
            Some(Self::Zip)
        } else if is_tar(head) {
            Some(Self::Tar)
        } else {
            None
        }
    }

    /// Its name in sentences.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zip => "zip",
            Self::Tar => "tar",
        }
    }

    fn media(self) -> &'static str {
        match self {
            Self::Gzip => "application/gzip",
            Self::Zip => "application/zip",
            Self::Tar => "application/x-tar",
        }
    }
}

/// The first block is a header whose checksum holds, also in tars older than the `ustar` mark.
fn is_tar(head: &[u8]) -> bool {
    let Some(block) = head.get(..512) else { return false };
    let text: String = block[148..156].iter().map(|b| char::from(*b)).collect();
    let Ok(said) = u32::from_str_radix(text.trim_matches(['\0', ' ']), 8) else { return false };
    let spaced = block
        .iter()
        .enumerate()
        .map(|(at, b)| if (148..156).contains(&at) { u32::from(b' ') } else { u32::from(*b) });
    spaced.sum::<u32>() == said
}

/// Names of compressed formats that are not opened.
pub(super) fn unopened(head: &[u8]) -> Option<&'static str> {
    const MAGIC: [(&[u8], &str); 6] = [
        (b"\xfd7zXZ\0", "xz"),
        (b"BZh", "bzip2"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"\x04\x22\x4d\x18", "lz4"),
        (b"7z\xbc\xaf\x27\x1c", "7z"),
        (b"Rar!\x1a\x07", "rar"),
    ];
    MAGIC.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, name)| *name)
}

/// Media type by the first [`HEAD_BYTES`] bytes. A first guess for readers; no rule depends on it.
pub(super) fn guess(head: &[u8]) -> &'static str {
    if let Some(archive) = Archive::of(head) {
        return archive.media();
    }
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // A character may be cut by the end of the head.
        Err(e) if e.error_len().is_none() && head.len() == HEAD_BYTES => {
            std::str::from_utf8(&head[..e.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return "application/octet-stream",
    };
    let plain = |c: char| !c.is_control() || ['\n', '\r', '\t', '\x1b'].contains(&c);
    if text.is_empty() || !text.chars().all(plain) {
        "application/octet-stream"
    } else if is_json(text) {
        "application/json"
    } else {
        "text/plain"
    }
}

/// One object or array and nothing after it; several of them, one a line, are a log.
fn is_json(text: &str) -> bool {
    if !text.trim_start().starts_with(['{', '[']) {
        return false;
    }
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => text.get(values.byte_offset()..).is_some_and(|rest| rest.trim().is_empty()),
        Some(Err(e)) => e.is_eof() && text.len() + 4 > HEAD_BYTES,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_told_by_its_bytes() {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_old();
        header.set_size(1);
        header.set_cksum();
        tar.append_data(&mut header, "a", &b"x"[..]).unwrap();
        let tar = tar.into_inner().unwrap();
        let long = format!("[{}", "1,".repeat(HEAD_BYTES)).into_bytes();
        let cut = "\u{e9}".repeat(HEAD_BYTES).into_bytes();
        for (bytes, media) in [
            (&b"{\"a\":1}\n"[..], "application/json"),
            (&long[..HEAD_BYTES], "application/json"),
            (b"{\"a\":1}\n{\"a\":2}\n", "text/plain"),
            (b"{\"a\":", "text/plain"),
            (b"[12:00] slot 7\n", "text/plain"),
            (&[&b"x"[..], &cut].concat()[..HEAD_BYTES], "text/plain"),
            (b"\xff\xfe", "application/octet-stream"),
            (b"a\0b", "application/octet-stream"),
            (b"", "application/octet-stream"),
            (b"\x1f\x8b\x08\0", "application/gzip"),
            (b"PK\x03\x04", "application/zip"),
            (&tar, "application/x-tar"),
        ] {
            assert_eq!(guess(bytes), media, "{:?}", &bytes[..bytes.len().min(20)]);
        }
        assert_eq!(unopened(b"\x28\xb5\x2f\xfd.."), Some("zstd"));
        assert_eq!(unopened(b"BZ"), None);
    }
}
