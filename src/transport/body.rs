//! Response bodies: bounded, and decoded where gzip'd.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::CONTENT_ENCODING;

use super::error::Failure;

/// How a body is encoded.
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

/// Reads a body to its end. More than `limit` bytes once decoded is an error, at once.
pub(super) async fn collect(mut body: Incoming, encoding: Encoding, limit: usize) -> Result<Bytes, Failure> {
    if encoding == Encoding::Identity && body.size_hint().lower() > limit as u64 {
        return Err(Failure::TooLarge(limit));
    }
    let mut decoder = Decoder::new(encoding, limit);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure::of_exchange(&error))?;
        if let Some(data) = frame.data_ref() {
            decoder.push(data)?;
        }
    }
    decoder.finish()
}

/// A body so far. Holds no more than `limit` bytes and zlib's window.
enum Decoder {
    Identity(Bounded),
    Gzip { gzip: Box<MultiGzDecoder<Bounded>>, empty: bool },
}

impl Decoder {
    fn new(encoding: Encoding, limit: usize) -> Self {
        let sink = Bounded { bytes: Vec::new(), limit, over: false };
        match encoding {
            Encoding::Identity => Self::Identity(sink),
            Encoding::Gzip => Self::Gzip { gzip: Box::new(MultiGzDecoder::new(sink)), empty: true },
        }
    }

    fn push(&mut self, data: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Identity(sink) => sink.write_all(data).map_err(|error| sink.explain(&error)),
            Self::Gzip { gzip, empty } => {
                *empty &= data.is_empty();
                gzip.write_all(data).map_err(|error| gzip.get_ref().explain(&error))
            }
        }
    }

    fn finish(self) -> Result<Bytes, Failure> {
        match self {
            // A 204, or an empty body that says it is gzip'd.
            Self::Gzip { empty: true, .. } => Ok(Bytes::new()),
            Self::Gzip { mut gzip, .. } => {
                gzip.try_finish().map_err(|error| gzip.get_ref().explain(&error))?;
                Ok(std::mem::take(&mut gzip.get_mut().bytes).into())
            }
            Self::Identity(sink) => Ok(sink.bytes.into()),
        }
    }
}

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
