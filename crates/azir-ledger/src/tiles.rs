//! Tiles of the tree (C2SP `tlog-tiles`): paths, hash tiles of height 8 and entry bundles.

use crate::Digest;
use crate::merkle;

/// Hashes in a full tile.
pub const TILE_WIDTH: usize = 256;

/// Path of a hash tile: `tile/<level>/<number>`, with `.p/<width>` when it is not full.
#[must_use]
pub fn tile_path(level: usize, number: u64, width: usize) -> String {
    format!("tile/{level}/{}", number_path(number, width))
}

/// Path of an entry bundle: `tile/entries/<number>`, with `.p/<width>` when it is not full.
#[must_use]
pub fn entries_path(number: u64, width: usize) -> String {
    format!("tile/entries/{}", number_path(number, width))
}

fn number_path(number: u64, width: usize) -> String {
    let mut path = format!("{:03}", number % 1000);
    let mut rest = number / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    if width < TILE_WIDTH {
        path.push_str(&format!(".p/{width}"));
    }
    path
}

/// Reads the hashes of a tile of `width` hashes; nothing if the length does not fit.
#[must_use]
pub fn read_tile(bytes: &[u8], width: usize) -> Option<Vec<Digest>> {
    let fits = bytes.len() == width * 32 && (1..=TILE_WIDTH).contains(&width);
    let hashes = bytes.chunks_exact(32).filter_map(|c| c.try_into().ok().map(Digest));
    fits.then(|| hashes.collect())
}

/// Splits an entry bundle into its entries (each with a length of two bytes before it); nothing
/// if it is torn.
#[must_use]
pub fn read_entries(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<2>()?;
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        entries.push(entry);
        bytes = rest;
    }
    (entries.len() <= TILE_WIDTH).then_some(entries)
}

/// Writes an entry bundle; nothing if an entry is longer than 65,535 bytes or there are too many.
#[must_use]
pub fn write_entries(entries: &[&[u8]]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for entry in entries {
        out.extend_from_slice(&u16::try_from(entry.len()).ok()?.to_be_bytes());
        out.extend_from_slice(entry);
    }
    (entries.len() <= TILE_WIDTH).then_some(out)
}

/// Makes the hash tiles of a log while its leaf hashes pass by. Memory does not grow with the log.
#[derive(Clone, Debug, Default)]
pub struct TileStream {
    /// For each level: number of full tiles so far, and the hashes of the next.
    levels: Vec<(u64, Vec<Digest>)>,
}

impl TileStream {
    /// Adds a leaf hash; gives the tiles that became full, as path and content.
    pub fn push(&mut self, leaf: Digest) -> Vec<(String, Vec<u8>)> {
        let mut full = Vec::new();
        let mut next = Some(leaf);
        let mut level = 0;
        while let Some(hash) = next.take() {
            if self.levels.len() == level {
                self.levels.push((0, Vec::new()));
            }
            let (number, row) = &mut self.levels[level];
            row.push(hash);
            if row.len() == TILE_WIDTH {
                full.push((tile_path(level, *number, TILE_WIDTH), bytes_of(row)));
                next = Some(merkle::root(row));
                row.clear();
                *number += 1;
            }
            level += 1;
        }
        full
    }

    /// The tiles that are not full at the present size.
    #[must_use]
    pub fn partial(&self) -> Vec<(String, Vec<u8>)> {
        let rows = self.levels.iter().enumerate().filter(|(_, (_, row))| !row.is_empty());
        rows.map(|(level, (number, row))| (tile_path(level, *number, row.len()), bytes_of(row)))
            .collect()
    }
}

fn bytes_of(row: &[Digest]) -> Vec<u8> {
    row.iter().flat_map(|d| d.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_published_layout() {
        assert_eq!(tile_path(0, 0, 256), "tile/0/000");
        assert_eq!(tile_path(1, 1_234_067, 256), "tile/1/x001/x234/067");
        assert_eq!(tile_path(0, 273, 44), "tile/0/273.p/44");
        assert_eq!(entries_path(1000, 1), "tile/entries/x001/000.p/1");
    }

    #[test]
    fn entries_read_back_and_torn_bundles_do_not() {
        let bundle = write_entries(&[b"one", b"", b"three"]).unwrap();
        assert_eq!(read_entries(&bundle).unwrap(), [b"one".as_slice(), b"", b"three"]);
        assert_eq!(read_entries(&bundle[..bundle.len() - 1]), None);
        assert_eq!(write_entries(&[&[0; 65_536]]), None);
        assert_eq!(write_entries(&[b"".as_slice(); 257]), None);
    }

    #[test]
    fn tiles_cover_the_tree() {
        let mut stream = TileStream::default();
        let leaves: Vec<_> = (0..70_000u32).map(|i| merkle::leaf_hash(&i.to_be_bytes())).collect();
        let mut full = Vec::new();
        leaves.iter().for_each(|l| full.extend(stream.push(*l)));
        assert_eq!(full.len(), 273 + 1);
        let partial = stream.partial();
        let paths: Vec<_> = partial.iter().map(|(p, _)| p.as_str()).collect();
        assert_eq!(paths, ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]);
        assert_eq!(read_tile(&partial[2].1, 1).unwrap()[0], merkle::root(&leaves[..65_536]));
        assert_eq!(read_tile(&partial[2].1, 2), None);
    }
}
