//! Builtins: what the agent knows without asking anybody, `builtin = "…"`.

use nix::sys::utsname::uname;

use super::answer::Answer;
use super::context::{Context, Machine};
use super::error::BackendError;
use super::{hardware, os_release};

pub(super) async fn get(name: &str, context: &Context<'_>) -> Result<Answer<String>, BackendError> {
    match name {
        "agent-version" => Ok(Answer::Value(env!("CARGO_PKG_VERSION").to_owned())),
        "hardware-uuid" => hardware::uuid(context.machine).await,
        "mac-uuid" => hardware::mac_uuid(context.machine).await,
        "random-uuid" => Ok(hardware::random_uuid()),
        "language" => language(context.machine).await,
        "hostname" | "uname-machine" | "uname-release" | "uname-sysname" | "uname-version" => {
            Ok(kernel(name))
        }
        _ => Ok(context.builtins.get(name)),
    }
}

fn kernel(name: &str) -> Answer<String> {
    let Ok(kernel) = uname() else { return Answer::absent("uname failed") };
    let field = match name {
        "hostname" => kernel.nodename(),
        "uname-machine" => kernel.machine(),
        "uname-release" => kernel.release(),
        "uname-sysname" => kernel.sysname(),
        _ => kernel.version(),
    };
    Answer::Value(field.to_string_lossy().into_owned())
}

/// The system's language as a tag (RFC 1766).
async fn language(machine: &Machine) -> Result<Answer<String>, BackendError> {
    let lang = os_release::assignment(machine, &["/etc/locale.conf", "/etc/default/locale"], "LANG").await?;
    Ok(match lang {
        Answer::Value(locale) => match tag(&locale) {
            Some(tag) => Answer::Value(tag),
            None => Answer::Absent(format!("LANG is {locale:?}, which names no language")),
        },
        other => other,
    })
}

/// The tag of a locale: `de_DE.UTF-8@euro` is `de-DE`; the C locale speaks English.
fn tag(locale: &str) -> Option<String> {
    let name = locale.split(['.', '@']).next()?;
    if matches!(name, "C" | "POSIX") {
        return Some("en".to_owned());
    }
    let (language, region) = name.split_once('_').map_or((name, None), |(name, region)| (name, Some(region)));
    let letters = |text: &str, least| {
        (least..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let sane = letters(language, 2) && region.is_none_or(|region| letters(region, 2));
    sane.then(|| name.replace('_', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locales_become_language_tags() {
        let cases = [
            ("de_DE.UTF-8", Some("de-DE")),
            ("de_DE@euro", Some("de-DE")),
            ("C.UTF-8", Some("en")),
            ("POSIX", Some("en")),
            ("es_419", Some("es-419")),
            ("fi", Some("fi")),
            ("", None),
            ("german_everywhere", None),
            ("../x", None),
        ];
        for (locale, expected) in cases {
            assert_eq!(tag(locale).as_deref(), expected, "{locale}");
        }
    }

    #[test]
    fn the_kernel_says_its_release() {
        assert!(matches!(kernel("uname-release"), Answer::Value(release) if !release.is_empty()));
    }
}
