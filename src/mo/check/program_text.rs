//! Finding the program text among the arguments of an interpreter: what braces bring there would be read as commands.

use super::super::template::Template;

/// The interpreters that take a program as an argument, each with the letter of the option before it.
const INTERPRETERS: [(&str, char); 11] = [
    ("sh", 'c'),
    ("ash", 'c'),
    ("bash", 'c'),
    ("dash", 'c'),
    ("ksh", 'c'),
    ("mksh", 'c'),
    ("zsh", 'c'),
    ("python", 'c'),
    ("python3", 'c'),
    ("lua", 'e'),
    ("perl", 'e'),
];

/// The program text that `argv` gives an interpreter, with the interpreter's name; none if there is none. The
/// interpreter may stand behind `busybox`, `env` and their like.
pub(super) fn program_text(argv: &[Template]) -> Option<(&'static str, &Template)> {
    let mut arguments = argv.iter();
    let (interpreter, letter) = arguments.find_map(|argument| {
        let name = argument.literal()?.rsplit('/').next()?;
        INTERPRETERS.into_iter().find(|(known, _)| *known == name)
    })?;
    let mut is_text = false;
    while let Some(argument) = arguments.next() {
        let option = argument.literal_start();
        if !option.starts_with(['-', '+']) {
            return is_text.then_some((interpreter, argument));
        }
        is_text |= option.contains(letter) && !option.starts_with("--");
        if letter == 'c' && option.ends_with('o') {
            // `-o pipefail`
            arguments.next();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_what_follows_the_options() {
        for (words, expected) in [
            (&["/bin/sh", "-c", "echo {}"][..], Some("echo {}")),
            (&["/bin/bash", "-eo", "pipefail", "-c", "a", "b"], Some("a")),
            (&["/bin/busybox", "sh", "-ec", "--", "a"], Some("a")),
            (&["/usr/bin/env", "python3", "-c", "a"], Some("a")),
            (&["/usr/bin/perl", "-lne", "a"], Some("a")),
            (&["/bin/sh", "/usr/lib/acme/do", "-c", "{}"], None),
            (&["/bin/sh", "-e", "/usr/lib/acme/do", "{}"], None),
            (&["/usr/lib/acme/sh-c", "-c", "{}"], None),
            (&["/bin/sh", "-c"], None),
        ] {
            let argv: Vec<Template> = words.iter().map(|word| Template::parse(word).unwrap()).collect();
            let text = program_text(&argv).map(|(_, text)| text.to_string());
            assert_eq!(text.as_deref(), expected, "{words:?}");
        }
    }
}
