//! Reading `WWW-Authenticate` and `Authentication-Info` (RFC 9110 11.6, RFC 7615).

use hyper::header::HeaderValue;

/// A challenge of a server: its scheme and its parameters, names in lower case, values unquoted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Challenge {
    pub(super) scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The challenges of all fields, in order. What can't be read ends its field; fields that aren't UTF-8 are
/// skipped.
pub(super) fn challenges<'h>(fields: impl IntoIterator<Item = &'h HeaderValue>) -> Vec<Challenge> {
    let mut found = Vec::new();
    for text in fields.into_iter().filter_map(|field| std::str::from_utf8(field.as_bytes()).ok()) {
        read(text, &mut found);
    }
    found
}

/// The parameters of a field that is a plain list of them.
pub(super) fn parameters(field: &HeaderValue) -> Challenge {
    let mut found = vec![Challenge::default()];
    if let Ok(text) = std::str::from_utf8(field.as_bytes()) {
        read(text, &mut found);
    }
    found.swap_remove(0)
}

fn read(text: &str, found: &mut Vec<Challenge>) {
    let mut rest = Scanner(text);
    // A field without a scheme of its own must not add to the field before it.
    let mut in_challenge = found.len() == 1 && found.iter().all(|challenge| challenge.scheme.is_empty());
    loop {
        rest.skip(|c| matches!(c, ' ' | '\t' | ','));
        let name = rest.token();
        if name.is_empty() {
            return;
        }
        let name = name.to_ascii_lowercase();
        rest.skip(is_blank);
        if rest.takes('=') {
            rest.skip(is_blank);
            let Some(value) = rest.value() else { return };
            match found.last_mut() {
                Some(challenge) if in_challenge => challenge.parameters.push((name, value)),
                _ => return,
            }
        } else {
            found.push(Challenge { scheme: name, parameters: Vec::new() });
            in_challenge = true;
            rest.skip_token68();
        }
    }
}

struct Scanner<'a>(&'a str);

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

impl<'a> Scanner<'a> {
    fn skip(&mut self, what: impl Fn(char) -> bool) {
        self.0 = self.0.trim_start_matches(what);
    }

    fn takes(&mut self, c: char) -> bool {
        let after = self.0.strip_prefix(c);
        self.0 = after.unwrap_or(self.0);
        after.is_some()
    }

    fn token(&mut self) -> &'a str {
        let end = self.0.find(|c| !is_token(c)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at(end);
        self.0 = rest;
        token
    }

    /// Skips a token68, as in `Negotiate YII=`: one run of characters with nothing but `=` behind it.
    fn skip_token68(&mut self) {
        let after = self.0.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "-._~+/".contains(c));
        let after = after.trim_start_matches('=').trim_start_matches(is_blank);
        if after.is_empty() || after.starts_with(',') {
            self.0 = after;
        }
    }

    /// Reads a token or a quoted string; none where there is neither, or no closing quote.
    fn value(&mut self) -> Option<String> {
        if !self.takes('"') {
            return Some(self.token()).filter(|token| !token.is_empty()).map(str::to_owned);
        }
        let mut value = String::new();
        let mut characters = self.0.chars();
        loop {
            match characters.next()? {
                '"' => break,
                '\\' => value.push(characters.next()?),
                other => value.push(other),
            }
        }
        self.0 = characters.as_str();
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(fields: &[&'static str]) -> Vec<Challenge> {
        let fields: Vec<_> = fields.iter().map(|field| HeaderValue::from_static(field)).collect();
        challenges(&fields)
    }

    fn schemes(fields: &[&'static str]) -> Vec<String> {
        of(fields).into_iter().map(|challenge| challenge.scheme).collect()
    }

    #[test]
    fn several_challenges_share_a_field() {
        let found = of(&[
            r#"Negotiate, Digest realm="a, Basic b=\"c\"", qop="auth,auth-int", nonce=xyz , BASIC realm = x"#,
        ]);
        assert_eq!(
            found.iter().map(|c| c.scheme.as_str()).collect::<Vec<_>>(),
            ["negotiate", "digest", "basic"]
        );
        assert_eq!(found[1].parameter("realm"), Some(r#"a, Basic b="c""#));
        assert_eq!(found[1].parameter("qop"), Some("auth,auth-int"));
        assert_eq!(found[1].parameter("nonce"), Some("xyz"));
        assert_eq!(found[2].parameter("realm"), Some("x"));
    }

    #[test]
    fn token68_is_no_parameter() {
        assert_eq!(
            schemes(&["Negotiate YIIabc==, Basic realm=\"x\"", "Digest"]),
            ["negotiate", "basic", "digest"]
        );
        assert_eq!(schemes(&["NTLM TlRM+/~"]), ["ntlm"]);
    }

    #[test]
    fn a_parameter_never_reaches_back_into_another_field() {
        let found = of(&["Basic realm=\"x\"", "nonce=\"y\""]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].parameter("nonce"), None);
        assert!(of(&["realm=\"x\"", ""]).is_empty());
    }

    #[test]
    fn what_is_cut_off_is_left_out() {
        assert_eq!(of(&["Digest nonce=\"abc"])[0].parameter("nonce"), None);
        assert_eq!(of(&["Digest nonce=\"abc\\"])[0].parameter("nonce"), None);
        assert_eq!(of(&["Digest nonce="])[0].parameter("nonce"), None);
    }

    #[test]
    fn a_list_of_parameters_needs_no_scheme() {
        let info = parameters(&HeaderValue::from_static("nextnonce=\"n\", qop=auth"));
        assert_eq!(info.parameter("nextnonce"), Some("n"));
        assert_eq!(info.parameter("qop"), Some("auth"));
    }

    proptest! {
        #[test]
        fn any_header_is_read_without_a_panic(text in "[ -~é]{0,80}") {
            if let Ok(field) = HeaderValue::from_bytes(text.as_bytes()) {
                parameters(&field);
                prop_assert!(challenges([&field]).iter().all(|challenge| !challenge.scheme.is_empty()));
            }
        }

        #[test]
        fn a_quoted_value_comes_back(value in "[ -~é]{0,40}") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            let field = HeaderValue::from_bytes(format!("Digest a=1, realm=\"{quoted}\",b=2").as_bytes()).unwrap();
            let found = challenges([&field]);
            prop_assert_eq!(found[0].parameter("realm"), Some(value.as_str()));
            prop_assert_eq!(found[0].parameter("b"), Some("2"));
        }
    }
}
