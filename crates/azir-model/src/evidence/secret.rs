//! Private keys never become evidence (annex N.3, D-025).

/// How many leading bytes of a file [`private_key_format`] reads.
pub const KEY_SCAN_BYTES_MAX: usize = 1 << 20;

/// What every seed file of a machine begins with, so that it is recognised wherever it turns up.
pub const MACHINE_SEED_MARK: &str = "AZIR-MACHINE-SEED-1:";

/// Known formats of private keys: a name, and texts that all occur in such a file.
const FORMATS: [(&str, &[&str]); 10] = [
    ("azir private key of a machine", &[MACHINE_SEED_MARK]),
    ("OpenSSH private key", &["-----BEGIN OPENSSH PRIVATE KEY-----"]),
    ("PKCS#8 private key", &["-----BEGIN PRIVATE KEY-----"]),
    ("encrypted PKCS#8 private key", &["-----BEGIN ENCRYPTED PRIVATE KEY-----"]),
    ("RSA private key", &["-----BEGIN RSA PRIVATE KEY-----"]),
    ("EC private key", &["-----BEGIN EC PRIVATE KEY-----"]),
    ("OpenPGP private key", &["-----BEGIN PGP PRIVATE KEY BLOCK-----"]),
    ("age secret key", &["AGE-SECRET-KEY-1"]),
    ("CometBFT validator key", &["\"priv_key\"", "PrivKey"]),
    ("Ethereum key store", &["\"ciphertext\"", "\"kdf"]),
];

/// The known format of a private key that the bytes hold, if any. A `Some` is refused with
/// `forbidden_power` and the advice to store a proof of exposure instead. Only known formats are
/// found: a `None` is no proof of absence.
///
/// Implements R-10.1-11.
#[must_use]
pub fn private_key_format(bytes: &[u8]) -> Option<&'static str> {
    let head = &bytes[..bytes.len().min(KEY_SCAN_BYTES_MAX)];
    let holds = |text: &&str| memchr::memmem::find(head, text.as_bytes()).is_some();
    FORMATS.iter().find(|(_, texts)| texts.iter().all(&holds)).map(|(name, _)| *name)
}
