//! Small values packed into bytes: numbers seven bits at a time, texts behind their length.

/// Writes.
#[derive(Default, Debug)]
pub(super) struct Packer(pub(super) Vec<u8>);

impl Packer {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// A number, or none as 0.
    pub(super) fn maybe(&mut self, number: Option<u64>) {
        match number {
            Some(number) => {
                self.byte(1);
                self.number(number);
            }
            None => self.byte(0),
        }
    }
}

/// Reads what [`Packer`] wrote: none where it can't have been that.
#[derive(Debug)]
pub(super) struct Unpacker<'a>(pub(super) &'a [u8]);

impl<'a> Unpacker<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return None;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    pub(super) fn small(&mut self) -> Option<u32> {
        self.number()?.try_into().ok()
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// The inner none is a none that was written.
    pub(super) fn maybe(&mut self) -> Option<Option<u64>> {
        match self.byte()? {
            0 => Some(None),
            1 => Some(Some(self.number()?)),
            _ => None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_unpacks() {
        let numbers = [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX >> 1, u64::MAX];
        let mut packer = Packer::default();
        for number in numbers {
            packer.number(number);
            packer.maybe(Some(number));
        }
        packer.maybe(None);
        packer.bytes(b"abc");
        packer.byte(7);
        let mut unpacker = Unpacker(&packer.0);
        for number in numbers {
            assert_eq!(unpacker.number(), Some(number));
            assert_eq!(unpacker.maybe(), Some(Some(number)));
        }
        assert_eq!(unpacker.maybe(), Some(None));
        assert_eq!(unpacker.text(), Some("abc"));
        assert_eq!(unpacker.byte(), Some(7));
        assert!(unpacker.is_empty());
        assert_eq!(unpacker.byte(), None);
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!(Unpacker(&[0xff; 10]).number(), None);
        assert_eq!(Unpacker(&[0xff; 3]).number(), None);
        assert_eq!(Unpacker(&[5, 1, 2]).bytes(), None);
        assert_eq!(Unpacker(&[2]).maybe(), None);
    }
}
