//! ClientURI and ServerURI: what is read is written as what is read the same; templates expand within their origin.
#![no_main]

use libfuzzer_sys::fuzz_target;
use omadm_agent::uri::{ClientUri, Parameter, ServerUriTemplate, fill_text};

fuzz_target!(|text: &str| {
    if let Ok(uri) = ClientUri::parse(text) {
        assert_eq!(ClientUri::parse(&uri.to_string()).as_ref(), Ok(&uri));
    }
    let value = |parameter| (parameter != Parameter::SpName).then(|| text.chars().take(64).collect());
    let _any_text = fill_text(text, &value);
    if let Ok(template) = ServerUriTemplate::parse(text)
        && let (Ok(filled), Ok(empty)) = (template.expand(&value), template.expand(&|_| None))
    {
        assert_eq!(filled.scheme(), empty.scheme());
        assert_eq!(filled.authority(), empty.authority());
    }
});
