//! Versionstamps: which commit wrote a value. They order commits.

use std::{fmt, str::FromStr};

use crate::{Error, Result};

/// Ten bytes that grow with each commit; written as twenty hexadecimal digits, which order alike.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Versionstamp([u8; 10]);

const DIGITS: &[u8; 16] = b"0123456789abcdef";

impl Versionstamp {
    /// Of the commit with that number.
    pub fn new(version: u64) -> Self {
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&version.to_be_bytes());
        Self(bytes)
    }

    /// From its bytes.
    pub fn from_bytes(bytes: [u8; 10]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 10] {
        &self.0
    }

    /// The number of the commit; `None` if no commit of this crate has such a versionstamp.
    pub fn version(&self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk::<8>()?;
        (*rest == [0, 0]).then(|| u64::from_be_bytes(*number))
    }
}

impl fmt::Display for Versionstamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 20];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0) {
            // A half of a byte is below sixteen.
            pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
        f.write_str(str::from_utf8(&digits).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Versionstamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Versionstamp {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let digits = text.as_bytes();
        if digits.len() != 20 {
            return Err(Error::InvalidVersionstamp);
        }
        let mut bytes = [0; 10];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |at: usize| pair.get(at).and_then(|c| char::from(*c).to_digit(16));
            let (Some(high), Some(low)) = (digit(0), digit(1)) else { return Err(Error::InvalidVersionstamp) };
            *byte = u8::try_from(high * 16 + low).map_err(|_| Error::InvalidVersionstamp)?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_order_as_their_numbers_and_texts_do() {
        let (a, b) = (Versionstamp::new(0xff), Versionstamp::new(0x100));
        assert!(a < b && a.to_string() < b.to_string());
        assert_eq!(b.to_string(), "00000000000001000000");
        assert_eq!(b.to_string().parse(), Ok(b));
        assert_eq!(b.version(), Some(0x100));
        assert_eq!("000000000000010000AB".parse::<Versionstamp>().unwrap().version(), None);
        for bad in ["", "0000000000000100000", "0000000000000100000g", "ä00000000000010000"] {
            assert_eq!(bad.parse::<Versionstamp>(), Err(Error::InvalidVersionstamp), "{bad}");
        }
    }
}
