//! A job as the load program makes and recognises it.
//!
//! Every field has a fixed width, so that a frame is copied from a template and patched, never formatted. The id
//! appears twice, in the envelope and in the body: a result whose id and body belong to different jobs is noticed.

use crate::flaw::Flaw;

/// Who submitted the job (`master`), from which of its places (`slot`), and which of the jobs from there it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JobId {
    pub master: u16,
    pub slot: u32,
    pub generation: u32,
}

/// A type's name, eight bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TypeName(pub [u8; TYPE_BYTES]);

/// What a dialect needs to know to submit.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    pub id: JobId,
    pub kind: TypeName,
    /// Behind the default priority.
    pub low: bool,
}

/// How all bodies of one measurement look: the JSON string `"j<id><fill>"` for a job and `"r<id><fill>"` for its
/// result. A result differs from its job, so an echo by the server would be noticed.
pub struct Pattern {
    fill: Vec<u8>,
}

/// Which way a body travels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    ToWorker,
    ToMaster,
}

impl JobId {
    /// The id on the wire.
    pub fn hex(self) -> [u8; ID_BYTES] {
        let number = u64::from(self.master) << 48
            | u64::from(self.slot & LOW_24_BITS) << 24
            | u64::from(self.generation & LOW_24_BITS);
        let mut hex = [0; ID_BYTES];
        for (at, digit) in hex.iter_mut().enumerate() {
            *digit = DIGITS[(number >> (60 - 4 * at)) as usize & 15];
        }
        hex
    }

    /// The id that these digits spell.
    pub fn parse(hex: &[u8]) -> Result<JobId, Flaw> {
        let wrong = || Flaw::Content(format!("\"{}\" is not an id of ours", hex.escape_ascii()));
        if hex.len() != ID_BYTES {
            return Err(wrong());
        }
        let mut number = 0u64;
        for digit in hex {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return Err(wrong()),
            };
            number = number << 4 | u64::from(value);
        }
        Ok(JobId {
            master: (number >> 48) as u16,
            slot: (number >> 24) as u32 & LOW_24_BITS,
            generation: number as u32 & LOW_24_BITS,
        })
    }

    /// The next job from the same place.
    pub fn next(self) -> JobId {
        JobId { generation: (self.generation + 1) & LOW_24_BITS, ..self }
    }
}

impl TypeName {
    /// What the bystanders of the idle shape join: nobody submits it.
    pub const IDLE: TypeName = TypeName(*b"idlework");

    /// The type that is measured is number 0.
    pub fn numbered(mut number: u32) -> TypeName {
        let mut name = *b"t0000000";
        for digit in name[1..].iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
        TypeName(name)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("type names are made of ASCII")
    }
}

impl Pattern {
    /// Bodies of this many bytes.
    pub fn new(body_bytes: usize) -> Pattern {
        assert!(body_bytes >= FRAMING_BYTES, "a body holds at least its quotes, its way and its id");
        let fill = (b'a'..=b'z').cycle().take(body_bytes - FRAMING_BYTES).collect();
        Pattern { fill }
    }

    /// The length of every body.
    pub fn len(&self) -> usize {
        self.fill.len() + FRAMING_BYTES
    }

    /// Appends a body.
    pub fn write(&self, way: Way, id: JobId, out: &mut Vec<u8>) {
        out.extend_from_slice(&[b'"', way.letter()]);
        out.extend_from_slice(&id.hex());
        out.extend_from_slice(&self.fill);
        out.push(b'"');
    }

    /// Where the id stands in a body, to patch a template.
    pub const ID_AT: usize = 2;

    /// Whose body this is, if every byte of it is as it should be.
    pub fn check(&self, way: Way, body: &[u8]) -> Result<JobId, Flaw> {
        let framed = body.len() == self.len() && body[..2] == [b'"', way.letter()] && body.ends_with(b"\"");
        if !framed || body[FRAMING_BYTES - 1..body.len() - 1] != self.fill[..] {
            return Err(Flaw::unexpected("a body", body));
        }
        JobId::parse(&body[Self::ID_AT..Self::ID_AT + ID_BYTES])
    }
}

impl Way {
    fn letter(self) -> u8 {
        match self {
            Way::ToWorker => b'j',
            Way::ToMaster => b'r',
        }
    }
}

/// Hexadecimal digits of an id.
pub const ID_BYTES: usize = 16;
/// Bytes of a type's name.
pub const TYPE_BYTES: usize = 8;
/// More slots than one master can have.
pub const SLOTS: usize = 1 << 24;

const FRAMING_BYTES: usize = ID_BYTES + 3;
const LOW_24_BITS: u32 = 0xff_ffff;
const DIGITS: &[u8; 16] = b"0123456789abcdef";
