//! Response bodies: bounded, and decoded where gzip'd.

use std::io::{self, Write};

use flate2::write::GzDecoder;
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::CONTENT_ENCODING;

use super::error::Failure;

/// The encoding of a response's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
}

impl Encoding {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Failure> {
        let mut encoding = Self::Identity;
        for value in headers.get_all(CONTENT_ENCODING) {
            let text = value.to_str().map_err(|error| Failure::Encoding(error.to_string()))?;
            for name in text.split(',').map(str::trim) {
                encoding = match name.to_ascii_lowercase().as_str() {
                    "" | "identity" => encoding,
                    "gzip" | "x-gzip" if encoding == Self::Identity => Self::Gzip,
                    _ => return Err(Failure::Encoding("only gzip was asked for".to_owned())),
                };
            }
        }
        Ok(encoding)
    }
}

/// The most members of a gzip body (RFC 1952 2.2). One is usual; each costs the same work again, however little is in
/// it.
const MOST_MEMBERS: usize = 100;

/// The most bytes that are decoded without a break.
const MOST_AT_ONCE: usize = 1 << 14;

/// Reads a body to its end. More than `limit` bytes once decoded is an error, at once.
pub(super) async fn collect(mut body: Incoming, encoding: Encoding, limit: usize) -> Result<Bytes, Failure> {
    if encoding == Encoding::Identity && body.size_hint().lower() > limit as u64 {
        return Err(Failure::TooLarge(limit));
    }
    let mut decoder = Decoder::new(encoding, limit);
    let mut at_once = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure::of_exchange(&error))?;
        if let Some(data) = frame.data_ref() {
            decoder.push(data)?;
            at_once += data.len();
        }
        // Others have work to do as well, however fast it comes.
        if at_once > MOST_AT_ONCE {
            at_once = 0;
            tokio::task::yield_now().await;
        }
    }
    decoder.finish()
}

/// Whether a body ends, read past, with no more than `limit` bytes.
pub(super) async fn skip(mut body: Incoming, limit: usize) -> bool {
    let mut left = limit;
    while body.size_hint().lower() <= left as u64 {
        match body.frame().await {
            None => return true,
            Some(Err(_)) => return false,
            Some(Ok(frame)) => match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
                None => return false,
                Some(less) => left = less,
            },
        }
    }
    false
}

/// The decoder of a body, with what it has decoded so far: it holds no more than `limit` bytes, and zlib's window.
enum Decoder {
    Identity(Bounded),
    Gzip(Box<Gzip>),
}

/// The decoder of a gzip body: bounded in what comes in as well, for much of it may come to nothing.
struct Gzip {
    member: GzDecoder<Bounded>,
    members: usize,
    /// The encoded bytes taken in so far.
    taken: usize,
}

impl Gzip {
    fn push(&mut self, mut data: &[u8]) -> Result<(), Failure> {
        self.taken = self.taken.saturating_add(data.len());
        let limit = self.member.get_ref().limit;
        // What can't be packed grows by a thousandth, and each member has a head; an eighth more is generous to both.
        if self.taken > limit.saturating_add(limit / 8).saturating_add(1 << 16) {
            return Err(Failure::TooLarge(limit));
        }
        while !data.is_empty() {
            match self.member.write(data) {
                Ok(0) => self.next()?,
                Ok(taken) => data = data.get(taken..).unwrap_or_default(),
                Err(error) => return Err(self.member.get_ref().explain(&error)),
            }
        }
        Ok(())
    }

    /// Begins the next member, where one has ended and something follows.
    fn next(&mut self) -> Result<(), Failure> {
        self.end()?;
        self.members += 1;
        if self.members == MOST_MEMBERS {
            return Err(Failure::Encoding("gzip of more than a hundred members".to_owned()));
        }
        let sink = std::mem::take(self.member.get_mut());
        self.member = GzDecoder::new(sink);
        Ok(())
    }

    fn end(&mut self) -> Result<(), Failure> {
        self.member.try_finish().map_err(|error| self.member.get_ref().explain(&error))
    }
}

impl Decoder {
    fn new(encoding: Encoding, limit: usize) -> Self {
        let sink = Bounded { bytes: Vec::new(), limit, over: false };
        match encoding {
            Encoding::Identity => Self::Identity(sink),
            Encoding::Gzip => {
                Self::Gzip(Box::new(Gzip { member: GzDecoder::new(sink), members: 0, taken: 0 }))
            }
        }
    }

    fn push(&mut self, data: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Identity(sink) => sink.write_all(data).map_err(|error| sink.explain(&error)),
            Self::Gzip(gzip) => gzip.push(data),
        }
    }

    fn finish(self) -> Result<Bytes, Failure> {
        match self {
            // A 204, or an empty body that says it is gzip'd.
            Self::Gzip(gzip) if gzip.taken == 0 => Ok(Bytes::new()),
            Self::Gzip(mut gzip) => {
                gzip.end()?;
                Ok(std::mem::take(&mut gzip.member.get_mut().bytes).into())
            }
            Self::Identity(sink) => Ok(sink.bytes.into()),
        }
    }
}

#[derive(Default)]
struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
    over: bool,
}

impl Bounded {
    fn explain(&self, error: &io::Error) -> Failure {
        if self.over { Failure::TooLarge(self.limit) } else { Failure::Encoding(error.to_string()) }
    }
}

impl Write for Bounded {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if data.len() > self.limit - self.bytes.len() {
            self.over = true;
            return Err(io::Error::other("too large"));
        }
        self.bytes.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn decode(encoded: &[u8], limit: usize) -> Result<Bytes, Failure> {
        let mut decoder = Decoder::new(Encoding::Gzip, limit);
        for chunk in encoded.chunks(7) {
            decoder.push(chunk)?;
        }
        decoder.finish()
    }

    #[test]
    fn the_limit_is_on_what_comes_out() {
        let bomb = gzip(&vec![0; 10 << 20]);
        assert!(bomb.len() < 20_000);
        assert!(matches!(decode(&bomb, 100_000), Err(Failure::TooLarge(100_000))));
        let data = b"x".repeat(1000);
        assert_eq!(decode(&gzip(&data), 1000).unwrap(), data);
        assert!(matches!(decode(&gzip(&data), 999), Err(Failure::TooLarge(999))));
    }

    #[test]
    fn a_hundred_members_are_one_body_and_endless_ones_are_none() {
        let members = |count: usize| gzip(b"x").repeat(count);
        assert_eq!(decode(&members(MOST_MEMBERS), 1000).unwrap(), "x".repeat(MOST_MEMBERS));
        assert!(matches!(decode(&members(MOST_MEMBERS + 1), 1000), Err(Failure::Encoding(_))));
        assert!(matches!(decode(&gzip(b"").repeat(10_000), 1 << 20), Err(Failure::Encoding(_))));
    }

    /// A body of blocks that are stored, and empty: 5 bytes each, and nothing comes out.
    #[test]
    fn what_comes_to_nothing_is_bounded_where_it_comes_in() {
        let mut endless = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
        endless.extend([0, 0, 0, 0xff, 0xff].repeat(100_000));
        assert!(matches!(decode(&endless, 1000), Err(Failure::TooLarge(1000))));
        let random: Vec<u8> = (0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let stored = {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
            encoder.write_all(&random).unwrap();
            encoder.finish().unwrap()
        };
        assert_eq!(decode(&stored, random.len()).unwrap(), random, "what does not shrink still fits");
    }

    #[test]
    fn cut_or_corrupt_gzip_is_no_body() {
        let good = gzip(b"what the server said");
        for cut in 1..good.len() {
            assert!(matches!(decode(&good[..cut], 1000), Err(Failure::Encoding(_))), "{cut}");
        }
        let mut corrupt = good.clone();
        let at = corrupt.len() - 6;
        corrupt[at] ^= 1;
        assert!(matches!(decode(&corrupt, 1000), Err(Failure::Encoding(_))));
        assert!(matches!(decode(b"plain text", 1000), Err(Failure::Encoding(_))));
        assert_eq!(decode(b"", 1000).unwrap(), "");
    }

    #[test]
    fn an_encoding_nobody_asked_for_is_an_error() {
        let of = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_ENCODING, text.parse().unwrap());
            Encoding::of(&headers)
        };
        assert_eq!(of("identity, GZip").unwrap(), Encoding::Gzip);
        assert!(of("br").is_err());
        assert!(of("gzip, gzip").is_err());
    }
}
