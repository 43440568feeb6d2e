//! Settings of the shell: what can be wrong with them.

use buntime_config::model::TargetUrl;
use buntime_core::SettingsProblem;

use super::GatewaySettings;
use crate::shell::excludes::MOST;

/// The longest name.
const LONGEST: usize = 64;

/// Is that the first segment of a path as excludes name it?
pub(crate) fn is_basename(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=LONGEST).contains(&text.len()) && text.bytes().all(fits)
}

pub(super) fn check(settings: &GatewaySettings, problems: &mut Vec<SettingsProblem>) {
    if let Some(target) = &settings.shell_target {
        match target.parse::<TargetUrl>() {
            Ok(url) if url.path() != "/" || url.query().is_some() => {
                let problem = SettingsProblem::new("/shellTarget", "the shell is a whole host's: it has no path");
                problems.push(problem.with_help("write http://host:port; paths are asked for as the browser does"));
            }
            Ok(_) => {}
            Err(error) => problems.push(
                SettingsProblem::new("/shellTarget", error).with_help("write http://host:port or https://host:port"),
            ),
        }
    } else if !settings.shell_excludes.is_empty() {
        let problem = SettingsProblem::new("/shellExcludes", "there is no shell to exclude anything from");
        problems.push(problem.with_help("write `shellTarget`, too"));
    }
    for (index, name) in settings.shell_excludes.iter().enumerate() {
        if !is_basename(name) {
            let problem = SettingsProblem::new(format!("/shellExcludes/{index}"), "it is no first segment of a path");
            problems.push(problem.with_help("write 1 to 64 letters, digits, `_` and `-`, without `/`"));
        }
    }
    if settings.shell_excludes.len() > MOST {
        problems.push(SettingsProblem::new("/shellExcludes", format!("write at most {MOST}")));
    }
}
