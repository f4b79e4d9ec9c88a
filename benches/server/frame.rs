//! Length-prefixed frames, read and written, and submits copied from a template.

use crate::job::{ID_BYTES, Job, JobId, Pattern, TYPE_BYTES, TypeName, Way};

/// A job in JSON with holes for its id (twice) and its type.
pub struct Template {
    text: Vec<u8>,
    id_at: usize,
    type_at: usize,
    body_at: usize,
}

impl Template {
    /// `head` ends where the id begins; `extra` are members between the type and the body, each with its comma.
    pub fn new(pattern: &Pattern, head: &[u8], extra: &[u8]) -> Template {
        let id = JobId { master: 0, slot: 0, generation: 0 };
        let mut body = Vec::new();
        pattern.write(Way::ToWorker, id, &mut body);
        let before_type = [head, &id.hex(), b"\",\"type\":\""].concat();
        let before_body = [b"\",".as_slice(), extra, b"\"body\":"].concat();
        let text = [&before_type, &TypeName::numbered(0).0[..], &before_body, &body, b"}"].concat();
        let type_at = before_type.len();
        Template { text, id_at: head.len(), type_at, body_at: type_at + TYPE_BYTES + before_body.len() }
    }

    /// As a frame of its own.
    pub fn framed(self) -> Template {
        let mut header = Vec::new();
        write_header(&mut header, self.len());
        self.behind(&header)
    }

    /// With something before it.
    pub fn behind(self, head: &[u8]) -> Template {
        let Template { text, id_at, type_at, body_at } = self;
        Template {
            text: [head, &text].concat(),
            id_at: id_at + head.len(),
            type_at: type_at + head.len(),
            body_at: body_at + head.len(),
        }
    }

    /// How long each submit is.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Appends the submit of a job.
    pub fn write(&self, job: &Job, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.text);
        let text = &mut out[start..];
        let id = job.id.hex();
        text[self.id_at..][..ID_BYTES].copy_from_slice(&id);
        text[self.type_at..][..TYPE_BYTES].copy_from_slice(&job.kind.0);
        text[self.body_at + Pattern::ID_AT..][..ID_BYTES].copy_from_slice(&id);
    }
}

/// The payload of the first frame, if all of it is there.
pub fn frame(input: &[u8]) -> Option<&[u8]> {
    let (length, rest) = input.split_first_chunk()?;
    rest.get(..u32::from_be_bytes(*length) as usize)
}

/// Appends a frame made of `parts`.
pub fn write(out: &mut Vec<u8>, parts: &[&[u8]]) {
    write_header(out, parts.iter().map(|part| part.len()).sum());
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// Begins a frame of this many bytes.
pub fn write_header(out: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).expect("a frame is far smaller than 4 GiB");
    out.extend_from_slice(&length.to_be_bytes());
}

/// Bytes of a frame's length.
pub const HEADER_BYTES: usize = size_of::<u32>();
