//! Recognises command lines, and prose that names options: in these a dash excludes nothing.
//!
//! `deploy -canary` excludes; `tar -xzf x`, `find . -delete`, `what does -force do` do not. If it
//! is not clear, nothing is excluded: a page hidden by mistake is worse than one too many.

use super::language::Language;

/// Fewest letters of a word that a dash may exclude: shorter ones are options.
const LETTERS_MIN: usize = 3;
/// Words of everyday language in a query that make it prose.
const PROSE_STOP_WORDS: usize = 2;

/// What a query is written like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Words to look for; a dash excludes.
    Keywords,
    /// Prose that names an option, or what may be a command.
    Options,
    /// A command with its arguments: quotes and colons are part of them.
    Command,
}

impl Style {
    /// Reports whether `-word` excludes the word.
    pub fn excludes(self) -> bool {
        self == Self::Keywords
    }

    /// Detects the style of a query in the language `own`, given what white space separates,
    /// without exclusions that are certain. Documents name the options that `is_documented`.
    pub fn of(tokens: &[&str], own: Language, is_documented: &dyn Fn(&str) -> bool) -> Self {
        let line = Line { tokens, own, is_documented };
        match (line.begins_with_command(), line.has_option()) {
            (true, true) => Self::Command,
            (false, true) => Self::Options,
            (_, false) if !line.tokens.iter().any(|token| is_dashed(token)) => Self::Keywords,
            (true, false) if line.names_option(true) => Self::Command,
            (false, false) if line.names_option(false) => Self::Options,
            (_, false) => Self::Keywords,
        }
    }
}

/// Reports whether `-word` can only be an option: it has few letters, or marks that no word has.
pub fn is_option_like(word: &str) -> bool {
    let is_inside = |c: char| c.is_alphanumeric() || "-_.+#'’*".contains(c);
    let begins = word.starts_with(char::is_alphabetic);
    // No option begins with a letter beyond ASCII.
    let is_foreign = word.starts_with(|c: char| !c.is_ascii());
    let letters = word.chars().filter(|c| c.is_alphabetic()).count();
    !begins || !word.chars().all(is_inside) || letters < LETTERS_MIN && !is_foreign
}

/// A query as its tokens.
struct Line<'a> {
    tokens: &'a [&'a str],
    own: Language,
    is_documented: &'a dyn Fn(&str) -> bool,
}

impl Line<'_> {
    /// Returns the index of the command: after a prompt, `sudo` and variables.
    fn command_at(&self) -> usize {
        let is_before = |token: &&&str| {
            PREFIXES.contains(*token) || token.contains('=') && !token.starts_with(['-', '"'])
        };
        self.tokens.iter().take_while(is_before).count()
    }

    fn begins_with_command(&self) -> bool {
        let at = self.command_at();
        let Some(first) = self.tokens.get(at) else { return false };
        at > 0 || is_command(first) || is_topic(first) || is_path(first) || is_cmdlet(first)
    }

    /// Reports whether a token can only be an option, or is of a shell.
    fn has_option(&self) -> bool {
        let is_option = |token: &&str| {
            let after = token.strip_prefix('-').unwrap_or_default();
            let begins = after.starts_with(|c: char| c == '-' || c.is_alphanumeric());
            begins && after != "-" && is_option_like(after)
        };
        self.tokens.iter().any(|token| is_option(token) || is_shell(token))
            || self.command_at() > 0
            || self.tokens.iter().any(|token| is_cmdlet(token))
    }

    /// Reports whether some `-word` may be an option.
    fn names_option(&self, is_command: bool) -> bool {
        let first = self.command_at();
        let command = self.tokens.get(first).copied().unwrap_or_default();
        let has_topic_noun = self.tokens.iter().skip(first + 1).any(|token| {
            let word = token.to_lowercase();
            TOPIC_NOUNS.split_whitespace().any(|noun| noun == word)
        });
        if is_command && !has_topic_noun {
            let next = self.tokens.get(first + 1).copied().unwrap_or_default();
            let has_file = self.tokens[first + 1..].iter().any(|token| is_file_name(token));
            let has_own_option = self.tokens.iter().any(|token| is_option_of(command, token));
            let is_bundled = next.strip_prefix('-').is_some_and(is_bundle);
            if !is_topic(command) || is_action(next) || has_file || has_own_option || is_bundled {
                return true;
            }
        }
        let is_prose = self.is_prose();
        let dashed = (0..self.tokens.len()).filter(|at| is_dashed(self.tokens[*at]));
        dashed.into_iter().any(|at| {
            let word = self.tokens[at].trim_start_matches('-');
            let before = at.checked_sub(1).map_or("", |at| self.tokens[at]);
            let is_last = self.tokens[at..].iter().all(|token| is_dashed(token));
            let after = self.tokens.get(at + 1).copied().unwrap_or_default();
            is_known_option(word)
                || (self.is_documented)(word)
                || self.is_stop(before)
                || is_context(before, BEFORE_OPTION)
                || is_command_only(before)
                || self.is_stop(after) && after != "NOT"
                || is_context(after, AFTER_OPTION)
                || is_prose && (!is_last || self.names_command())
        })
    }

    fn is_stop(&self, token: &str) -> bool {
        let word = bare(token);
        self.own.is_stop_word(&word) || Language::English.is_stop_word(&word)
    }

    fn is_prose(&self) -> bool {
        let stops = self.tokens.iter().filter(|token| self.is_stop(token)).count();
        stops >= PROSE_STOP_WORDS
            || self.tokens.last().is_some_and(|token| token.ends_with(['?', '？']))
    }

    fn names_command(&self) -> bool {
        self.tokens.iter().any(|token| is_command_only(token))
    }
}

/// Returns a token in lower case without the marks around it.
fn bare(token: &str) -> String {
    token.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase()
}

/// Reports whether a token is a dash with a word that it may exclude.
fn is_dashed(token: &str) -> bool {
    token.strip_prefix('-').is_some_and(|word| !is_option_like(word))
}

/// Reports whether a token occurs in shells only.
fn is_shell(token: &str) -> bool {
    const WHOLE: [&str; 13] =
        [".", "..", "*", "|", "||", "&&", "&", ">", ">>", "<", "2>&1", "\\", "{}"];
    const PARTS: [&str; 5] = ["$(", "${", "://", "`", "*."];
    WHOLE.contains(&token)
        || PARTS.iter().any(|part| token.contains(part))
        || token.starts_with('\'') && token.len() > 1
        || token.starts_with('$') && token[1..].starts_with(|c: char| c.is_alphabetic())
        || token.starts_with('<') && token.ends_with('>')
        || is_path(token)
        || is_assignment(token)
}

fn is_assignment(token: &str) -> bool {
    token.split_once('=').is_some_and(|(name, value)| {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        !value.is_empty()
            && !value.starts_with('=')
            && !name.is_empty()
            && name.chars().all(is_name)
    })
}

fn is_path(token: &str) -> bool {
    let rest = token.strip_prefix('/').unwrap_or_default();
    ["./", "../", "~/", "C:\\"].iter().any(|start| token.starts_with(start))
        || rest.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// Reports whether a token is a name with a short extension, as arguments of commands are.
fn is_file_name(token: &str) -> bool {
    let Some((stem, extension)) = token.rsplit_once('.') else { return false };
    let is_extension = (1..=4).contains(&extension.len())
        && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && extension.bytes().any(|byte| byte.is_ascii_alphabetic());
    stem.starts_with(char::is_alphanumeric) && is_extension
}

/// Reports whether a token is a cmdlet of PowerShell, as in `Get-ChildItem`.
fn is_cmdlet(token: &str) -> bool {
    const VERBS: &str = "Add Clear Compare Connect Convert ConvertFrom ConvertTo Copy Disable Disconnect Enable \
        Enter Exit Expand Export Find ForEach Format Get Grant Import Install Invoke Join Measure Mount Move New \
        Out Publish Read Register Remove Rename Reset Resolve Restart Resume Save Select Send Set Show Sort Split \
        Start Stop Suspend Test Trace Unblock Uninstall Unregister Update Wait Where Write";
    token.split_once('-').is_some_and(|(verb, noun)| {
        noun.starts_with(|c: char| c.is_ascii_uppercase())
            && VERBS.split_whitespace().any(|known| known == verb)
    })
}

fn is_context(token: &str, words: &str) -> bool {
    let word = bare(token);
    words.split_whitespace().any(|known| known == word)
}

fn is_known_option(word: &str) -> bool {
    // `-Wall`, `-Xmx512m`, `-DskipTests`, `-fPIC`, `-lpthread`
    let is_flag = ["W", "X", "D", "fPIC", "lpthread"].iter().any(|start| {
        word.strip_prefix(start).is_some_and(|rest| {
            start.len() > 1
                || rest.bytes().all(|byte| byte.is_ascii_lowercase())
                    && COMPILER_FLAGS.contains(&rest)
                || rest.bytes().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
        })
    });
    let lower = word.to_lowercase();
    let is_signal = word.strip_prefix("SIG").is_some_and(|name| !name.is_empty());
    is_flag || is_signal || OPTIONS.split_whitespace().any(|known| known == lower)
}

/// Returns the program that a query begins with, if its name is not also a subject of documents.
pub fn program<'q>(tokens: &[&'q str]) -> Option<&'q str> {
    let first = tokens.iter().find(|token| !PREFIXES.contains(token))?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
    let begins = first.starts_with(|c: char| c.is_ascii_alphanumeric());
    (begins && first.chars().all(is_name) && !is_topic(first)).then_some(*first)
}

/// Reports whether `text` names the option `-word`.
pub fn has_option(text: &str, word: &str) -> bool {
    let option = format!("-{word}");
    text.match_indices(&option).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + option.len()..]);
        let begins = before.chars().next_back().is_none_or(|c| {
            c.is_whitespace() || matches!(c, '`' | '"' | '\'' | '[' | '(' | '{' | '|' | ',' | '*')
        });
        begins && !after.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '-' | '_'))
    })
}

/// Reports whether `text` has a command line of `program` with an option.
pub fn has_command_line(text: &str, program: &str) -> bool {
    text.match_indices(program).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + program.len()..]);
        let begins = !before.ends_with(|c: char| c.is_alphanumeric() || "-_./".contains(c));
        let rest = after.trim_start_matches([' ', '\t']);
        let option = rest.trim_start_matches('-');
        let dashes = rest.len() - option.len();
        begins
            && rest.len() < after.len()
            && (1..=2).contains(&dashes)
            && option.starts_with(|c: char| c.is_ascii_alphanumeric())
    })
}

/// Reports whether `word` is several options of one letter: `-Bsm`, `-sSfL`, `-wnl`.
fn is_bundle(word: &str) -> bool {
    let word = word.trim_end_matches('-');
    let has_vowel = word.contains(['a', 'e', 'i', 'o', 'u', 'y', 'A', 'E', 'I', 'O', 'U', 'Y']);
    let is_mixed = word.chars().skip(1).any(|c| c.is_ascii_uppercase())
        && word.chars().any(|c| c.is_ascii_lowercase());
    word.len() <= 6 && word.bytes().all(|b| b.is_ascii_alphabetic()) && (!has_vowel || is_mixed)
}

/// Reports whether `-word` is an option of a program whose name is also a subject of documents.
fn is_option_of(program: &str, token: &str) -> bool {
    let options = OPTIONS_OF.iter().find(|(name, _)| *name == program);
    let word = token.strip_prefix('-').unwrap_or_default();
    options.is_some_and(|(_, options)| options.split_whitespace().any(|known| known == word))
}

fn is_command_only(token: &str) -> bool {
    let begins = ["qemu-", "mkfs.", "x86_64-", "arm-", "aarch64-"];
    COMMANDS.split_whitespace().any(|known| known == token)
        || begins.iter().any(|start| token.starts_with(start))
}

fn is_command(token: &str) -> bool {
    is_command_only(token) || is_file_name(token) && token.ends_with(".sh")
}

fn is_topic(token: &str) -> bool {
    TOPICS.split_whitespace().any(|known| known == token)
}

fn is_action(token: &str) -> bool {
    ACTIONS.split_whitespace().any(|known| known == token)
}

/// What may come before a command.
const PREFIXES: [&str; 13] =
    ["$", "#", "%", ">", ">>>", "sudo", "doas", "nohup", "PS>", "PS", "C:\\>", "time", "env"];
/// What follows `-W` and `-X` in lower case.
const COMPILER_FLAGS: [&str; 8] = ["all", "error", "extra", "pedantic", "shadow", "mx", "ms", "ss"];
/// Words that an option follows.
const BEFORE_OPTION: &str = "add adding argument arguments called flag flags give given giving named option options \
    parameter parameters pass passed passing provide return returned returns run running set setting specify \
    specifying specified supply supplying support supports switch switches unknown unrecognized unrecognised invalid \
    illegal use used uses using value via returning minus";
/// Words that follow an option.
const AFTER_OPTION: &str = "argument arguments flag flags mean means option options parameter parameters switch \
    switches";
/// Words of queries about a thing, which no command line has.
const TOPIC_NOUNS: &str = "alternative alternatives article articles basics benchmark best comparison compared docs \
    documentation example examples explained faq guide guides history introduction intro license manual overview \
    performance policy practices pricing problems reference review reviews security tips troubleshooting tutorial \
    tutorials versus vs";
/// Options that are a whole word, in lower case.
const OPTIONS: &str = "auto-approve batch brief cdrom classpath color colour command config crf cv daemonize debug \
    delay delete detach dev dry-run dryrun dump echo enable-kvm encoding erroraction exec execdir executionpolicy \
    exclude expression extract f fast-list file filename filter follow force foreground format framerate geometry \
    global help hide_banner ignore iname inform in inplace input interactive inum itemtype jar keyout kill ldflags \
    limit list listen loglevel lname maxdepth mindepth mmin mtime name newer newkey nocolor noconfirm nodes noout \
    nogroup nographic noprofile nouser o oneline out outform output password passin passout path pattern perm pid \
    port preset print print0 printf prune pubin pubkey quality quiet quit race recurse recursive regex reload rm \
    rotate scope sha256 shared silent size skip sort std strip subj summary term text timeout tags threads trace tty \
    type uid update user username usr1 usr2 hup int quit var var-file vcodec acodec verbose verbosity version vf vn \
    volume vv vvv wait wholename width xdev yes";
/// Options of programs whose names are also subjects of documents, that are words of other
/// queries.
const OPTIONS_OF: &[(&str, &str)] = &[
    ("java", "client cp ea da esa jar server verbose version showversion"),
    ("javac", "cp deprecation implicit nowarn parameters proc processor source target"),
    (
        "find",
        "amin cmin daystart depth empty group inum ls mount ok perm regextype samefile true xtype",
    ),
    ("emulator", "avd wipe-data"),
    ("defaults", "currentHost"),
    (
        "convert",
        "append auto-orient background blur border crop density flatten flip flop gravity negate \
        quality resize rotate scale strip trim",
    ),
    ("ruby", "rjson ruri rset ropen"),
    ("php", "info ini modules"),
    ("node", "check eval inspect"),
    ("open", "reveal hide"),
    ("perl", "pie pine wnle lane wple"),
    ("git", "amend graph oneline stat"),
    ("mysql", "uroot psecret"),
    ("vim", "nobackup noplugin nowrite"),
    ("nano", "mouse softwrap"),
    ("screen", "dmS dr ls wipe"),
    ("swift", "emit-module parse typecheck"),
    ("go", "asmflags bench cover coverprofile gcflags ldflags mod modfile race tags"),
    ("gradle", "console offline parallel xtest"),
    ("wget", "mirror"),
    ("zip", "qry9"),
    ("jar", "create extract file list update"),
    ("security", "keychain policy"),
    ("montage", "geometry tile"),
    ("prometheus", "config storage web"),
    ("vlc", "fullscreen loop"),
];
/// Names that are also subjects of documents.
const TOPICS: &str = "alertmanager blender defaults dot emulator gimp inkscape adb ansible apt at aws az bash brew bundle cargo cat clang cmake composer conda consul convert \
    cron curl cut date deno docker dotnet emacs expand file find flutter fold free gcloud gem gh git go gradle head \
    heroku host import install java javac join julia kill kubectl last less link lua make man maven mongo more mount \
    mysql nano nginx nice nix node nomad npm npx packer pandoc paste patch perl php pip pip3 play pnpm podman poetry \
    powershell pulumi pytest python python3 rails rake react redis rsync ruby rust rustup sass scala screen script \
    select service sort split sqlite ssh strings swift tail terraform test time top touch tree type vagrant vault vim \
    wait watch webpack wget who write yarn zip zsh \
    identify jar latex mono montage open postgres prometheus reg security tex vlc wine";
/// Names that are only commands.
const COMMANDS: &str = "aapt2 amixer ant aplay appcmd arecord asciidoctor bcdedit bitsadmin bochs bsdtar bsub \
    bteq cargo-build ccze certutil cl.exe codesign csc csi cvlc dcraw dfu-util diskpart diskutil \
    dotnet-ef dumpbin dvips editbin eqn fastboot ffplay fpc fsc fsutil gawk gmcs gnat \
    gnatmake gnuplot gofmt gpp groff gswin64c gview hdiutil icacls iexpress ilasm ildasm imapsync \
    installutil iscsiadm javah javap jcmd jconsole jdb jdeps jinfo jlink jmap jmeter jpackage jps jshell jstack \
    jstat kextload kpsewhich latexmk launchctl ldapadd ldapmodify lld llc lldb llvm-objdump \
    lualatex lpr lsregister magick mcs mdfind mdls mdutil midl mklink mplayer mpv msdeploy msiexec \
    mstsc mxmlc namei nasm netdom netsh nmblookup nslookup ntdsutil nuget nvidia-smi nvidia-settings ocamlc ocamlopt \
    osascript pacman pacman-key pactl pdflatex pdftk pdftoppm pgbench pkgutil plutil pngcrush powercfg \
    promtool pstack pulseaudio puttygen pscp psexec putty plink qemu qmake rdesktop regsvr32 rsvg-convert \
    rundll32 runas rxvt urxvt scalac sc schtasks scutil setxkbmap signtool sips smbd sndfile-play \
    snmpget snmpwalk softwareupdate sqlcmd ssldump startx stunnel svnadmin svnlook sw_vers \
    systemsetup takeown tasklist taskkill texindex tmutil tsc tshark typeperf udisksctl unsquashfs vbc \
    vboxmanage vcvarsall vmrun vncserver vncviewer vssadmin w32tm wbadmin wevtutil winrm wmctrl wsl wslconfig \
    Xephyr Xorg Xvfb xcodebuild xcrun xdotool xdpyinfo xelatex xev xhost xinit xinput xkill xloadimage xlsclients xmodmap \
    xperf xprop xrdb xscreensaver xset xsetroot xterm xv xvfb-run xwd xwininfo yacc zic choco javaw lsb_release \
    dockerd tasksel vmstat gitk htpasswd apachectl a2ensite nginx-debug mysqld mysqlcheck mongod \
    mongodump mongoexport mongoimport redis-server redis-benchmark pg_ctl initdb createdb dropdb \
    node_exporter 7z a2enmod aa-status addgroup adduser ansible-playbook apt-cache apt-get apt-key aptitude \
    ar arp aria2c awk b2sum base64 basename bc bg blkid btrfs busctl bunzip2 bzip2 cc ccache certbot cfdisk chattr \
    chcon chgrp chmod chown chroot chsh cksum clang++ cmp comm cp cpio crontab csplit ctags cvs dd debootstrap depmod \
    df dhclient diff dig dircolors dirname dmesg dnf docker-compose dos2unix dpkg dpkg-query dstat du e2fsck \
    ebtables ecryptfs egrep eject env ethtool exiftool exportfs fallocate fdisk ffmpeg ffplay ffprobe fg fgrep filefrag \
    findmnt firewall-cmd fio flock fsck ftp fuser g++ gawk gcc gdb getent getfacl getopt gfortran ghc git-lfs gpasswd \
    gpg gprof grep groupadd groupdel groupmod grub-install gs gsutil gunzip gzip hdparm helm hexdump htop hostnamectl \
    httpd ifconfig ifdown ifup inotifywait insmod iostat ionice ip ip6tables ipcs iperf3 iptables iw iwconfig \
    jarsigner javadoc journalctl jq kbingest keytool kexec killall kinit lastlog ld ldapsearch ldconfig ldd ln locale \
    localectl locate logger loginctl logrotate losetup ls lsattr lsblk lscpu lsmod lsof lspci lsusb ltrace lvcreate \
    lvextend lvs lxc lz4 lzma m4 mdadm minikube mkdir mkfifo mkfs mknod mkswap mktemp modinfo modprobe mogrify mpstat \
    msbuild mtr mv mvn mysqldump mysqladmin namei nc ncat ncdu netcat netstat nft nginx nl nm nmap nmcli nohup nproc \
    nslookup ntpdate numfmt objcopy objdump od openssl parted partprobe passwd pcregrep pdftotext pdfunite perf pgrep \
    pg_dump pg_restore ping ping6 pkexec pkill pmap ps psql pstree pv pvcreate pwck qemu-img qemu-system-x86_64 \
    quota rclone readelf redis-cli readlink realpath renice resize2fs restic rg rm rmdir rmmod robocopy route rpm rpmbuild \
    rsnapshot rustc sar scalac scp sdiff sed seq setcap setfacl sfdisk sftp sha1sum sha256sum sha512sum shred shuf \
    showmount shutdown smartctl smbclient snap socat sqlite3 sqlplus ss ssh-add ssh-agent ssh-copy-id ssh-keygen ssh-keyscan \
    sshfs stat strace stty su sudo sum svn swapoff swapon sysctl systemctl systemd-analyze systemd-run tac tar taskset \
    tc tcpdump tee telnet tftp timedatectl tmux tput tr traceroute truncate tshark tsort tune2fs udevadm ufw ulimit \
    umount uname unexpand uniq unlink unrar unxz unzip update-alternatives update-grub updatedb uptime useradd userdel \
    usermod uuidgen vgcreate vgs virsh visudo vmstat w wall wc whereis which whoami wmic xargs xclip xcopy xfs_repair \
    xmllint xrandr xxd xz xzcat youtube-dl yt-dlp yum zcat zfs zgrep zpool zstd zypper";
/// What a command is asked to do, as in `go test -race`.
const ACTIONS: &str = "vet shell add agent apply attach build check clean clone commit compile config cp create delete deploy \
    describe destroy diff enable exec export fetch fmt get import init inspect install kill list log login logs \
    merge mod new plan ps publish pull push rebase remove reset restart restore rm run sync search serve server set \
    show start stash status stop test uninstall up update upgrade validate x509 req genrsa s_client";

#[cfg(test)]
mod tests {
    use super::*;

    fn of(query: &str) -> Style {
        let tokens: Vec<_> = query.split_whitespace().collect();
        Style::of(&tokens, Language::English, &|_| false)
    }

    const KEYWORDS: &[&str] = &[
        "deploy -canary",
        "-canary deploy",
        "rollback guide -kubernetes",
        "jaguar speed -car",
        "python tutorial -snake",
        "java examples -javascript",
        "docker networking -swarm",
        "backup -windows -macos",
        "undo a release -canary",
        "how to roll back a release -canary",
        "apache configuration -tomcat",
        "install postgres -docker",
        "grep alternatives -ripgrep",
        "node.js hosting -windows",
        "Fähre Fahrplan -Winter",
        "роль -права",
        "猫 -黑豹",
        "rust async -tokio",
        "python -snake",
        "jaguar -car",
        "java -coffee",
        "ruby -gemstone",
        "convert -religion",
        "react hooks -redux",
        "docker -swarm",
        "git hooks -husky",
        "swift -taylor",
        "apple -iphone",
        "mercury -planet",
        "parser -xml",
    ];

    #[test]
    fn options_of_command_lines_exclude_nothing() {
        let commands = include_str!("../../tests/data/search/options.txt").lines();
        let excluding: Vec<_> = commands.filter(|command| of(command).excludes()).collect();
        assert_eq!(excluding, [""; 0]);
    }

    #[test]
    fn documents_say_what_is_an_option() {
        let text =
            "Link with `-lssl`; see [-lcrypto]. A well-known --nodes -x509 *-wide*\n$ frob -n 3";
        let options = ["lssl", "lcrypto", "known", "nodes", "x50", "x509", "wide", "Link"];
        assert_eq!(
            options.map(|word| has_option(text, word)),
            [true, true, false, false, false, true, true, false]
        );
        let programs = ["frob", "with", "well", "rob"];
        assert_eq!(programs.map(|it| has_command_line(text, it)), [true, false, false, false]);
        let of = |query: &str| {
            let tokens: Vec<_> = query.split_whitespace().collect();
            Style::of(&tokens, Language::English, &|word| word == "wide")
        };
        assert_eq!(of("frob list -wide"), Style::Options);
        assert_eq!(of("frob list -narrow"), Style::Keywords);
    }

    #[test]
    fn a_dash_excludes_only_where_that_is_plainly_meant() {
        for keywords in KEYWORDS {
            assert_eq!(of(keywords), Style::Keywords, "{keywords}");
        }
        for options in [
            "grep -rn foo src",
            "docker run -it --rm ubuntu bash",
            "gcc -Wall -o x x.c",
            "git log --oneline -n 5",
            "find . -name '*.rs' -delete",
            "ls -la",
            "tar -xzf x",
            "java -jar app.jar -Xmx512m",
            "what does -force do",
            "the value is -canary",
            "what when it returns -1",
            "kubectl get pods -n kube-system",
            "go test -race",
            "terraform apply -auto-approve",
            "mvn clean install -DskipTests",
            "openssl x509 -text -noout",
            "ps -aux",
            "netstat -tulpn",
            "kill -HUP nginx",
            "sudo lsof -nP",
            "Get-ChildItem -Recurse -Filter",
            "convert in.png -resize out.png",
            "why does rm -recursive fail",
            "what does tar -xzf mean",
            "the -Werror flag",
            "unknown option -canary",
            "does it support -quiet",
            "mytool -verbose",
            "what does ls -lah show",
            "nmap -sS -Pn host",
            "ssh -vvv host",
            "find src -type f -newer x",
            "-force",
            "~/bin/tool -wide x",
            "ffmpeg -i in.mp4 -vcodec copy out.mkv",
            "difference between -remove and -keep",
        ] {
            assert_ne!(of(options), Style::Keywords, "{options}");
        }
    }
}
