//! What the write-ahead log of the database says before anybody opens it.
//!
//! SQLite replays its log up to the first bad frame and forgets the rest without a word. That is right for a torn tail (the
//! power went while a commit was written, nobody was told that it holds) and wrong for damage before it. So after a crash
//! the frames are read here first. The format is documented (<https://sqlite.org/fileformat2.html#walformat>): a header with two
//! salts, then frames; each frame repeats the salts and has a running checksum over all before it.
//!
//! A commit begins only when the one before is synced. So a bad frame in a commit that is followed by another whole commit of
//! the same salts was on disk once: damage. In the last commit it may be either; [`Tail`] says how it looks, and the
//! caller may know more (`mark`).

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;

/// How the log ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tail {
    /// With a commit.
    Whole,
    /// With something that was not written to its end.
    Torn,
    /// With a frame of a last commit that was written to its end, but not what is there now.
    Bad,
}

/// What the log is like.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// All commits are whole, but for what the tail says of the last one.
    Sound(Tail),
    /// What lies there was synced once and is not that any more.
    Damaged(String),
}

const HEADER: u64 = 32;
const FRAME_HEADER: usize = 24;

/// Reads the log of the database `main`.
///
/// # Errors
/// When a file can't be read.
pub(super) fn check(log: &File, main: &File) -> io::Result<Verdict> {
    let length = log.metadata()?.len();
    let mut bytes = [0; HEADER as usize];
    match log.read_exact_at(&mut bytes, 0) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
            return Ok(Verdict::Sound(if length == 0 { Tail::Whole } else { Tail::Torn }));
        }
        Err(error) => return Err(error),
    }
    match Header::parse(&bytes) {
        Some(header) => Walk::new(log, length, header).walk(),
        None => headless(log, length, main),
    }
}

#[derive(Clone, Copy, Debug)]
struct Header {
    salts: [u8; 8],
    sums: [u32; 2],
    is_big_endian: bool,
    page: usize,
}

impl Header {
    fn parse(bytes: &[u8; HEADER as usize]) -> Option<Header> {
        let is_big_endian = match big(bytes, 0) {
            0x377f_0682 => false,
            0x377f_0683 => true,
            _ => return None,
        };
        let sums = checksum([0, 0], &bytes[..24], is_big_endian);
        let page = big(bytes, 8) as usize;
        let is_sound = big(bytes, 4) == 3_007_000
            && (512..=65_536).contains(&page)
            && page.is_power_of_two()
            && sums == [big(bytes, 24), big(bytes, 28)];
        is_sound.then(|| Header { salts: bytes[16..24].try_into().expect("8 of 32"), sums, is_big_endian, page })
    }
}

/// A frame's own words.
#[derive(Clone, Copy, Debug)]
struct Frame {
    page: u32,
    /// Pages of the database, in a commit's last frame; else 0.
    commit: u32,
    salts: [u8; 8],
    sums: [u32; 2],
}

/// One reading of all frames.
struct Walk<'a> {
    log: &'a File,
    header: Header,
    frames: u64,
    /// Bytes behind the last whole frame.
    rest: u64,
    buffer: Vec<u8>,
}

impl<'a> Walk<'a> {
    fn new(log: &'a File, length: u64, header: Header) -> Walk<'a> {
        let size = (FRAME_HEADER + header.page) as u64;
        let body = length - HEADER;
        Walk { log, header, frames: body / size, rest: body % size, buffer: vec![0; FRAME_HEADER + header.page] }
    }

    fn walk(mut self) -> io::Result<Verdict> {
        let mut sums = self.header.sums;
        let mut is_within = false;
        for number in 0..self.frames {
            let (frame, found) = self.read(number, sums)?;
            if frame.salts != self.header.salts || frame.sums != found || frame.page == 0 {
                return self.behind(number, frame, is_within);
            }
            sums = found;
            is_within = frame.commit == 0;
        }
        Ok(Verdict::Sound(if is_within || self.begins_another()? { Tail::Torn } else { Tail::Whole }))
    }

    /// Whether what lies behind the last whole frame is the beginning of one of ours. It may also be the rest of an older
    /// log, which was cut to a length that is no number of frames.
    fn begins_another(&self) -> io::Result<bool> {
        const WITH_SALTS: usize = 16;
        let mut head = [0; WITH_SALTS];
        if self.rest < WITH_SALTS as u64 {
            return Ok(false);
        }
        self.log.read_exact_at(&mut head, HEADER + self.frames * self.buffer.len() as u64)?;
        Ok(head[8..] == self.header.salts)
    }

    /// Frame `bad` is: judges by what is behind it.
    fn behind(&mut self, bad: u64, frame: Frame, is_within: bool) -> io::Result<Verdict> {
        // One flipped bit spoils one half of them only.
        let was_ours = frame.salts[..4] == self.header.salts[..4] || frame.salts[4..] == self.header.salts[4..];
        let mut has_ended = frame.salts == self.header.salts && frame.commit != 0;
        let mut tail = match (was_ours, is_within) {
            (true, _) => Tail::Bad,
            (false, true) => Tail::Torn,
            // An older log that this one is overwriting.
            (false, false) => Tail::Whole,
        };
        let mut sums = frame.sums;
        for number in bad + 1..self.frames {
            let (frame, found) = self.read(number, sums)?;
            let is_ours = frame.salts == self.header.salts;
            if is_ours && frame.commit != 0 && frame.sums == found {
                if has_ended {
                    let at = HEADER + bad * (FRAME_HEADER + self.header.page) as u64;
                    return Ok(Verdict::Damaged(format!(
                        "frame {} (at byte {at}) isn't what was written, but commits behind it are whole",
                        bad + 1
                    )));
                }
                has_ended = true;
            }
            if is_ours && tail == Tail::Whole {
                tail = Tail::Torn;
            }
            sums = frame.sums;
        }
        Ok(Verdict::Sound(tail))
    }

    /// Whether the last commit's word on every page is what `main` has. Knows the page size of the header only.
    fn is_in(&mut self, main: &File) -> io::Result<bool> {
        let (mut newest, mut commit, mut size) = (HashMap::new(), HashMap::new(), 0);
        let mut before = None;
        for number in 0..self.frames {
            let (frame, found) = self.read(number, before.map_or([0; 2], |frame: Frame| frame.sums))?;
            // The first can't be verified without the header. What has other salts is older still.
            if before.is_some_and(|before| before.salts != frame.salts || frame.sums != found) {
                break;
            }
            commit.insert(frame.page, number);
            if frame.commit != 0 {
                size = frame.commit;
                newest.extend(commit.drain());
            }
            before = Some(frame);
        }
        let page = self.header.page;
        let mut theirs = vec![0; page];
        for (number, frame) in newest.into_iter().filter(|(number, _)| (1..=size).contains(number)) {
            self.read(frame, [0; 2])?;
            let is_there = main.read_exact_at(&mut theirs, u64::from(number - 1) * page as u64).is_ok();
            if !is_there || theirs != self.buffer[FRAME_HEADER..] {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn read(&mut self, number: u64, sums: [u32; 2]) -> io::Result<(Frame, [u32; 2])> {
        let size = self.buffer.len() as u64;
        self.log.read_exact_at(&mut self.buffer, HEADER + number * size)?;
        let sums = checksum(sums, &self.buffer[..8], self.header.is_big_endian);
        let sums = checksum(sums, &self.buffer[FRAME_HEADER..], self.header.is_big_endian);
        Ok((Frame::parse(&self.buffer), sums))
    }
}

impl Frame {
    fn parse(bytes: &[u8]) -> Frame {
        Frame {
            page: big(bytes, 0),
            commit: big(bytes, 4),
            salts: bytes[8..16].try_into().expect("8 of 24"),
            sums: [big(bytes, 16), big(bytes, 20)],
        }
    }
}

/// The header is bad. It is written when the log begins anew, and that only when all of the old one is in the main file: then
/// nothing is lost. Else it is damage.
fn headless(log: &File, length: u64, main: &File) -> io::Result<Verdict> {
    let mut first = [0; 100];
    main.read_exact_at(&mut first, 0)?;
    let page = match u16::from_be_bytes([first[16], first[17]]) {
        1 => 65_536,
        page => usize::from(page),
    };
    // The database is checked elsewhere; here it matters only that the arithmetic holds.
    if page < 512 {
        return Ok(Verdict::Damaged("neither its header nor that of the database makes sense".into()));
    }
    for is_big_endian in [false, true] {
        if !Walk::new(log, length, Header { salts: [0; 8], sums: [0; 2], is_big_endian, page }).is_in(main)? {
            return Ok(Verdict::Damaged("its header isn't what was written, but commits behind it are whole".into()));
        }
    }
    Ok(Verdict::Sound(Tail::Torn))
}

fn big(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("4 bytes"))
}

/// SQLite's: two sums, eight bytes a step.
fn checksum(sums: [u32; 2], bytes: &[u8], is_big_endian: bool) -> [u32; 2] {
    let word = |bytes: &[u8]| {
        let bytes = bytes.try_into().expect("4 bytes");
        if is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    };
    bytes.chunks_exact(8).fold(sums, |[one, two], step| {
        let one = one.wrapping_add(word(&step[..4])).wrapping_add(two);
        let two = two.wrapping_add(word(&step[4..])).wrapping_add(one);
        [one, two]
    })
}
