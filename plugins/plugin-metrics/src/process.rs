//! What the kernel says about this process, from `/proc`. Elsewhere than on Linux nothing is known, and nothing said.

/// A reading. What could not be read is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Process {
    /// User and system time, in seconds.
    pub cpu_seconds: Option<f64>,
    /// Resident memory, in bytes.
    pub resident_bytes: Option<u64>,
    /// Virtual memory, in bytes.
    pub virtual_bytes: Option<u64>,
    /// Open file descriptors.
    pub open_fds: Option<u64>,
    /// Most file descriptors it may open; `None` too when there is no limit.
    pub max_fds: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// When it started, in seconds since 1970.
    pub start_seconds: Option<f64>,
}

impl Process {
    /// Reads it now. Takes some tens of microseconds, more with thousands of open files.
    #[cfg(target_os = "linux")]
    pub fn read() -> Self {
        linux::read()
    }

    /// Reads it now.
    #[cfg(not(target_os = "linux"))]
    pub fn read() -> Self {
        Self::default()
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{fs, sync::OnceLock};

    use super::Process;

    pub(super) fn read() -> Process {
        let stat = fs::read_to_string("/proc/self/stat").ok();
        let limits = fs::read_to_string("/proc/self/limits").ok();
        // The listing itself holds one descriptor.
        let open_fds = fs::read_dir("/proc/self/fd").ok().map(|list| (list.count() as u64).saturating_sub(1));
        let mut process = stat.and_then(|text| parse_stat(&text)).unwrap_or_default();
        process.max_fds = limits.and_then(|text| parse_max_fds(&text));
        process.open_fds = open_fds;
        process
    }

    /// See `proc_pid_stat(5)`. The second field is the command in parentheses, which may hold anything; the fields are counted
    /// from behind its last one.
    pub(super) fn parse_stat(text: &str) -> Option<Process> {
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let start = field(22).map(|after_boot| after_boot as f64 / ticks);
        Some(Process {
            cpu_seconds: Some((field(14)? + field(15)?) as f64 / ticks),
            threads: field(20),
            virtual_bytes: field(23),
            resident_bytes: field(24).map(|pages| pages * rustix::param::page_size() as u64),
            start_seconds: start.and_then(|seconds| Some(boot_time()? + seconds)),
            ..Process::default()
        })
    }

    /// Read once: the kernel works this value out anew each time, and with it the counts of every interrupt.
    fn boot_time() -> Option<f64> {
        static BOOT: OnceLock<Option<f64>> = OnceLock::new();
        *BOOT.get_or_init(|| {
            let text = fs::read_to_string("/proc/stat").ok()?;
            text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
        })
    }

    pub(super) fn parse_max_fds(limits: &str) -> Option<u64> {
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
        line.split_ascii_whitespace().next()?.parse().ok()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_read() {
        let process = Process::read();
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        let started = process.start_seconds.unwrap();
        assert!((now - 3600.0..=now + 1.0).contains(&started), "{started}");
        assert!(process.resident_bytes.unwrap() > 1 << 20 && process.virtual_bytes >= process.resident_bytes);
        assert!(process.threads.unwrap() >= 1 && process.open_fds.unwrap() >= 3 && process.cpu_seconds.is_some());
    }

    #[test]
    fn a_strange_command_does_not_shift_the_fields() {
        let text = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 3 0 1000 4096000 10 18446744073709551615";
        let process = linux::parse_stat(text).unwrap();
        assert_eq!((process.threads, process.virtual_bytes), (Some(3), Some(4_096_000)));
        assert!(linux::parse_stat("").is_none() && linux::parse_stat("7 (x) S 1").is_none());
        assert_eq!(linux::parse_max_fds("Max open files            unlimited            unlimited   files"), None);
        assert_eq!(linux::parse_max_fds("Max open files            1024         524288       files"), Some(1024));
    }
}
