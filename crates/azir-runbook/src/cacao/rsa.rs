//! RS256 (RSASSA-PKCS1-v1_5 with SHA-256, RFC 8017 8.2.2), checking only. There is no private key
//! here, so nothing needs to run in constant time.

use azir_ledger::Digest;
use crypto_bigint::modular::runtime_mod::{DynResidue, DynResidueParams};
use crypto_bigint::{Limb, U64, Uint};

/// What a key or a signature is not.
pub(super) type Why = &'static str;

/// DER of `SEQUENCE { OBJECT IDENTIFIER rsaEncryption, NULL }` (RFC 8017 A.1).
const RSA_ENCRYPTION: [u8; 15] =
    [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
/// DER before the digest in `DigestInfo` with SHA-256 (RFC 8017 9.2, note 1).
const DIGEST_INFO: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];
/// Smallest modulus, in bytes: 2048 bits.
const MODULUS_BYTES_MIN: usize = 256;
/// Largest modulus, in bytes: 4096 bits.
const MODULUS_BYTES_MAX: usize = 512;
/// Smallest public exponent (FIPS 186-5, A.1.1).
const EXPONENT_MIN: u64 = 65_537;

/// A public key, from the DER of a `SubjectPublicKeyInfo`.
pub(super) struct PublicKey<'a> {
    /// Big-endian, without leading zeros.
    modulus: &'a [u8],
    exponent: u64,
}

impl<'a> PublicKey<'a> {
    /// Reads exactly one key, in the one encoding that DER has for it.
    pub(super) fn from_der(der: &'a [u8]) -> Result<Self, Why> {
        const WHY: Why = "public_key is no RSA key";
        let key = whole(der, 0x30)
            .and_then(|info| info.strip_prefix(&RSA_ENCRYPTION))
            .and_then(|rest| whole(rest, 0x03))
            .and_then(|bits| bits.strip_prefix(&[0]))
            .and_then(|key| whole(key, 0x30))
            .ok_or(WHY)?;
        let (modulus, rest) = unsigned(key).ok_or(WHY)?;
        let (exponent, rest) = unsigned(rest).ok_or(WHY)?;
        if !rest.is_empty() {
            return Err(WHY);
        }
        let size = MODULUS_BYTES_MIN..=MODULUS_BYTES_MAX;
        if !size.contains(&modulus.len()) || modulus.first().is_none_or(|b| *b < 0x80) {
            return Err("only RSA keys of 2048 to 4096 bits, in whole bytes, are checked");
        }
        let exponent =
            exponent.iter().try_fold(0_u64, |n, b| Some(n.checked_mul(256)? | u64::from(*b)));
        let exponent = exponent.filter(|e| *e >= EXPONENT_MIN && e % 2 == 1);
        let exponent =
            exponent.ok_or("the public exponent is even, below 65537 or above 64 bits")?;
        // Montgomery's form needs an odd modulus, and every product of odd primes is odd.
        if modulus.last().is_none_or(|b| b % 2 == 0) {
            return Err(WHY);
        }
        Ok(Self { modulus, exponent })
    }

    /// True where `signature` is this key's over `message`.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        // One length for signature and modulus, and a number below the modulus: one form only.
        if signature.len() != self.modulus.len() || signature >= self.modulus {
            return false;
        }
        let expected = encoded(message, self.modulus.len());
        if self.modulus.len() == MODULUS_BYTES_MIN {
            self.opens_to::<{ 2048 / Limb::BITS }>(signature, &expected)
        } else {
            self.opens_to::<{ MODULUS_BYTES_MAX * 8 / Limb::BITS }>(signature, &expected)
        }
    }

    fn opens_to<const LIMBS: usize>(&self, signature: &[u8], expected: &[u8]) -> bool {
        let params = DynResidueParams::new(&number::<LIMBS>(self.modulus));
        let base = DynResidue::new(&number(signature), params);
        let exponent = U64::from_u64(self.exponent);
        base.pow_bounded_exp(&exponent, U64::BITS).retrieve() == number(expected)
    }
}

/// A big-endian number of at most `LIMBS` limbs.
fn number<const LIMBS: usize>(bytes: &[u8]) -> Uint<LIMBS> {
    let size = LIMBS * Limb::BYTES;
    let mut padded = vec![0; size.saturating_sub(bytes.len())];
    padded.extend(bytes.iter().take(size));
    Uint::from_be_slice(&padded)
}

/// EMSA-PKCS1-v1_5 (RFC 8017 9.2): the one block that a signature must open to.
fn encoded(message: &[u8], size: usize) -> Vec<u8> {
    let tail = [&[0], &DIGEST_INFO[..], &Digest::of(message).0].concat();
    let mut block = vec![0, 1];
    block.resize(size.saturating_sub(tail.len()), 0xff);
    block.extend(tail);
    block
}

/// The content of the element with this tag that fills `der`.
fn whole(der: &[u8], tag: u8) -> Option<&[u8]> {
    element(der, tag).and_then(|(content, rest)| rest.is_empty().then_some(content))
}

/// The content of the first element and what follows it. Lengths in their shortest form only.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match *der {
        [t, n @ 0..=0x7f, ref rest @ ..] if t == tag => (usize::from(n), rest),
        [t, 0x81, n @ 0x80..=0xff, ref rest @ ..] if t == tag => (usize::from(n), rest),
        [t, 0x82, high @ 1..=0xff, low, ref rest @ ..] if t == tag => {
            (usize::from(high) * 256 + usize::from(low), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// A positive INTEGER without its sign byte.
fn unsigned(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (content, rest) = element(der, 0x02)?;
    match *content {
        [0, ref digits @ ..] if digits.first().is_some_and(|b| *b >= 0x80) => Some((digits, rest)),
        [1..=0x7f, ..] => Some((content, rest)),
        _ => None,
    }
}
