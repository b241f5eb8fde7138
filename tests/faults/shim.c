/* Preloaded into kbingest by the tests beside it (LD_PRELOAD): counts the calls of libc that touch files
 * whose path begins with KBFAULT_PREFIX, writes them to a log, and lets one of them fail. 64-bit Linux.
 *
 * Three counts, from 0: calls that change something (open with O_CREAT or O_TRUNC, write, truncate,
 * allocate, sync, unlink, rename, mkdir), opens of any kind, reads.
 *
 *   KBFAULT_PREFIX  path of the knowledge base; its -wal, -shm, -journal and .lock begin with it. Its
 *                   folder counts too if it is opened to be synced.
 *   KBFAULT_LOG     file that every call is appended to, with data: `struct record`, name, bytes
 *   KBFAULT_COUNTS  file that the three counts are written to at exit
 *   KBFAULT_MODE    kill, torn, enospc, edquot, eio (among changes), emfile, erofs (among opens), read_eio;
 *                   bus: shared memory is cut off, so that its next use ends in SIGBUS
 *   KBFAULT_AT      number of the call that fails
 *   KBFAULT_FOR_GOOD  if set, all later ones fail too
 *   KBFAULT_FIRED   file that says which call failed first
 *
 * Shared memory (-shm) is written through mmap, which is not seen here; after a power cut SQLite makes it
 * again. System calls are made directly, so no symbol of libc is looked up.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

_Static_assert(sizeof(off_t) == 8, "64-bit offsets");

enum kind { OPEN, CREATE, WRITE, TRUNCATE, SYNC, UNLINK, RENAME, MKDIR, ALLOCATE, READ };
static const char *const KIND_NAMES[] = {"open",   "create", "write", "truncate", "sync",
                                         "unlink", "rename", "mkdir", "allocate", "read"};
enum counter { CHANGES, OPENS, READS, COUNTERS };
enum mode { NONE, KILL, TORN, BUS, FAIL };
/* Results of decide() besides an errno. */
enum { GO_ON = 0, TEAR = -1 };

#define FLAG_NEW 1

struct record {
    uint32_t kind;
    uint32_t flags;  /* FLAG_NEW: the file was not there before */
    uint64_t inode;  /* of the open file */
    int64_t offset;  /* of a write; length after a truncate */
    uint64_t length; /* of the data that follows the name */
    uint32_t name_length;
    uint32_t unused;
};

#define FILES_MAX 4096
static char *names[FILES_MAX]; /* name of each open file of ours, from its folder on */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static const char *prefix, *fired_path, *counts_path;
static size_t prefix_length, folder_length;
static long counts[COUNTERS], at = -1;
static int log_file = -1, for_good, fault_errno, has_fired;
static enum mode mode;
static enum counter mode_counter;

static void put_line(const char *path, const char *line) {
    int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
    if (file >= 0) {
        syscall(SYS_write, file, line, strlen(line));
        syscall(SYS_close, file);
    }
}

__attribute__((constructor)) static void begin(void) {
    prefix = getenv("KBFAULT_PREFIX");
    if (!prefix) return;
    prefix_length = strlen(prefix);
    const char *slash = strrchr(prefix, '/');
    folder_length = slash ? (size_t)(slash - prefix) : 0;
    fired_path = getenv("KBFAULT_FIRED");
    counts_path = getenv("KBFAULT_COUNTS");
    for_good = getenv("KBFAULT_FOR_GOOD") != NULL;
    const char *log_path = getenv("KBFAULT_LOG");
    if (log_path)
        log_file = (int)syscall(SYS_openat, AT_FDCWD, log_path,
                                O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    const char *name = getenv("KBFAULT_MODE"), *number = getenv("KBFAULT_AT");
    if (!name || !number) return;
    at = atol(number);
    static const struct {
        const char *name;
        enum mode mode;
        enum counter counter;
        int fault_errno;
    } MODES[] = {
        {"kill", KILL, CHANGES, 0},          {"torn", TORN, CHANGES, 0},
        {"bus", BUS, CHANGES, 0},
        {"enospc", FAIL, CHANGES, ENOSPC},   {"edquot", FAIL, CHANGES, EDQUOT},
        {"eio", FAIL, CHANGES, EIO},         {"emfile", FAIL, OPENS, EMFILE},
        {"erofs", FAIL, OPENS, EROFS},       {"read_eio", FAIL, READS, EIO},
    };
    for (size_t i = 0; i < sizeof MODES / sizeof *MODES; i++)
        if (!strcmp(name, MODES[i].name)) {
            mode = MODES[i].mode;
            mode_counter = MODES[i].counter;
            fault_errno = MODES[i].fault_errno;
        }
}

__attribute__((destructor)) static void end(void) {
    if (!prefix || !counts_path) return;
    char line[100];
    snprintf(line, sizeof line, "%ld %ld %ld", counts[CHANGES], counts[OPENS], counts[READS]);
    put_line(counts_path, line);
}

static void end_process(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

/* Returns the name from the folder on, or NULL if the file is not ours. */
static const char *our_name(const char *path) {
    if (!prefix || !path) return NULL;
    if (!strncmp(path, prefix, prefix_length)) return path + folder_length + 1;
    if (strlen(path) == folder_length && !strncmp(path, prefix, folder_length)) return ".";
    return NULL;
}

static const char *open_name(int fd) {
    return prefix && fd >= 0 && fd < FILES_MAX ? names[fd] : NULL;
}

/* Counts a call and decides what happens to it: GO_ON, TEAR or an errno. `grows`: a full disk can stop it. */
static int decide(enum counter counter, enum kind kind, const char *name, int grows) {
    long number = counts[counter]++;
    if (mode == NONE || counter != mode_counter || number < at) return GO_ON;
    if (number > at && !for_good) return GO_ON;
    if ((fault_errno == ENOSPC || fault_errno == EDQUOT) && !grows) return GO_ON;
    /* A read-only file system still opens for reading. */
    if (fault_errno == EROFS && !grows) return GO_ON;
    if (!has_fired && fired_path) {
        char line[PATH_MAX];
        snprintf(line, sizeof line, "%s %s", KIND_NAMES[kind], name);
        put_line(fired_path, line);
    }
    has_fired = 1;
    if (mode == KILL) end_process();
    if (mode == BUS) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s-shm", prefix);
        syscall(SYS_truncate, path, 0);
        return GO_ON;
    }
    return mode == TORN ? TEAR : fault_errno;
}

static void note(enum kind kind, uint32_t flags, int fd, const char *name, int64_t offset,
                 const void *data, size_t length) {
    if (log_file < 0) return;
    struct stat status = {0};
    if (fd >= 0) fstat(fd, &status);
    struct record record = {kind, flags, status.st_ino, offset, length, (uint32_t)strlen(name), 0};
    struct iovec parts[] = {
        {&record, sizeof record}, {(void *)name, record.name_length}, {(void *)data, length}};
    syscall(SYS_writev, log_file, parts, 3);
}

static int failed(int number) {
    pthread_mutex_unlock(&mutex);
    errno = number;
    return -1;
}

/* Ends a successful call, or the process if the call was to be torn: the call itself is done then. */
static long done(long result, int decision) {
    if (decision == TEAR) end_process();
    int kept = errno;
    pthread_mutex_unlock(&mutex);
    errno = kept;
    return result;
}

static int do_open(int folder, const char *path, int flags, mode_t permissions) {
    const char *name = our_name(path);
    if (!name) return (int)syscall(SYS_openat, folder, path, flags, permissions);
    pthread_mutex_lock(&mutex);
    struct stat status;
    int is_new = (flags & O_CREAT) && stat(path, &status) != 0;
    int changes = (flags & (O_CREAT | O_TRUNC)) != 0;
    int writes = changes || (flags & O_ACCMODE) != O_RDONLY;
    int decision = decide(OPENS, OPEN, name, writes);
    if (decision == GO_ON && changes) decision = decide(CHANGES, CREATE, name, is_new);
    if (decision > 0) return failed(decision);
    int fd = (int)syscall(SYS_openat, folder, path, flags, permissions);
    if (fd >= 0 && fd < FILES_MAX) {
        free(names[fd]);
        names[fd] = strdup(name);
        note(changes ? CREATE : OPEN, is_new ? FLAG_NEW : 0, fd, name, 0, NULL, 0);
        if (flags & O_TRUNC) note(TRUNCATE, 0, fd, name, 0, NULL, 0);
    }
    return (int)done(fd, decision);
}

static ssize_t do_write(int fd, const void *bytes, size_t length, off_t offset) {
    pthread_mutex_lock(&mutex);
    const char *name = names[fd];
    off_t position = offset >= 0 ? offset : (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);
    int decision = decide(CHANGES, WRITE, name, 1);
    if (decision > 0) return failed(decision);
    if (decision == TEAR) length /= 2;
    ssize_t result = offset >= 0 ? syscall(SYS_pwrite64, fd, bytes, length, offset)
                                 : syscall(SYS_write, fd, bytes, length);
    if (result > 0) note(WRITE, 0, fd, name, position, bytes, (size_t)result);
    return done(result, decision);
}

static int do_truncate(int fd, off_t length) {
    pthread_mutex_lock(&mutex);
    struct stat status = {0};
    fstat(fd, &status);
    int decision = decide(CHANGES, TRUNCATE, names[fd], length > status.st_size);
    if (decision > 0) return failed(decision);
    int result = (int)syscall(SYS_ftruncate, fd, length);
    if (result == 0) note(TRUNCATE, 0, fd, names[fd], length, NULL, 0);
    return (int)done(result, decision);
}

static int do_sync(int fd, long call) {
    pthread_mutex_lock(&mutex);
    int decision = decide(CHANGES, SYNC, names[fd], 1);
    if (decision > 0) return failed(decision);
    int result = (int)syscall(call, fd);
    if (result == 0) note(SYNC, 0, fd, names[fd], 0, NULL, 0);
    return (int)done(result, decision);
}

static int do_allocate(int fd, int how, off_t offset, off_t length) {
    pthread_mutex_lock(&mutex);
    int decision = decide(CHANGES, ALLOCATE, names[fd], 1);
    if (decision > 0) return failed(decision);
    int result = (int)syscall(SYS_fallocate, fd, how, offset, length);
    /* Readers of the log only need the new length. */
    struct stat status = {0};
    fstat(fd, &status);
    if (result == 0) note(TRUNCATE, 0, fd, names[fd], status.st_size, NULL, 0);
    return (int)done(result, decision);
}

static int do_unlink(int folder, const char *path, int flags) {
    const char *name = our_name(path);
    if (!name) return (int)syscall(SYS_unlinkat, folder, path, flags);
    pthread_mutex_lock(&mutex);
    int decision = decide(CHANGES, UNLINK, name, 0);
    if (decision > 0) return failed(decision);
    int result = (int)syscall(SYS_unlinkat, folder, path, flags);
    if (result == 0) note(UNLINK, 0, -1, name, 0, NULL, 0);
    return (int)done(result, decision);
}

static ssize_t do_read(int fd, void *bytes, size_t length, off_t offset) {
    pthread_mutex_lock(&mutex);
    int decision = decide(READS, READ, names[fd], 0);
    if (decision > 0) return failed(decision);
    pthread_mutex_unlock(&mutex);
    return offset >= 0 ? syscall(SYS_pread64, fd, bytes, length, offset)
                       : syscall(SYS_read, fd, bytes, length);
}

#define PERMISSIONS(flags)                                 \
    mode_t permissions = 0;                                \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {               \
        va_list arguments;                                 \
        va_start(arguments, flags);                        \
        permissions = (mode_t)va_arg(arguments, unsigned); \
        va_end(arguments);                                 \
    }

int open(const char *path, int flags, ...) {
    PERMISSIONS(flags)
    return do_open(AT_FDCWD, path, flags, permissions);
}
int open64(const char *path, int flags, ...) {
    PERMISSIONS(flags)
    return do_open(AT_FDCWD, path, flags, permissions);
}
int openat(int folder, const char *path, int flags, ...) {
    PERMISSIONS(flags)
    return do_open(folder, path, flags, permissions);
}
int openat64(int folder, const char *path, int flags, ...) {
    PERMISSIONS(flags)
    return do_open(folder, path, flags, permissions);
}
int close(int fd) {
    if (open_name(fd)) {
        pthread_mutex_lock(&mutex);
        free(names[fd]);
        names[fd] = NULL;
        pthread_mutex_unlock(&mutex);
    }
    return (int)syscall(SYS_close, fd);
}
ssize_t write(int fd, const void *bytes, size_t length) {
    return open_name(fd) ? do_write(fd, bytes, length, -1) : syscall(SYS_write, fd, bytes, length);
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    return open_name(fd) ? do_write(fd, bytes, length, offset)
                         : syscall(SYS_pwrite64, fd, bytes, length, offset);
}
ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t offset) {
    return pwrite(fd, bytes, length, offset);
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (!open_name(fd)) return syscall(SYS_writev, fd, parts, count);
    size_t length = 0;
    for (int i = 0; i < count; i++) length += parts[i].iov_len;
    char *bytes = malloc(length + 1);
    if (!bytes) return (errno = ENOMEM, -1);
    size_t end = 0;
    for (int i = 0; i < count; end += parts[i++].iov_len)
        memcpy(bytes + end, parts[i].iov_base, parts[i].iov_len);
    ssize_t result = do_write(fd, bytes, length, -1);
    free(bytes);
    return result;
}
int ftruncate(int fd, off_t length) {
    return open_name(fd) ? do_truncate(fd, length) : (int)syscall(SYS_ftruncate, fd, length);
}
int ftruncate64(int fd, off_t length) { return ftruncate(fd, length); }
int fsync(int fd) {
    return open_name(fd) ? do_sync(fd, SYS_fsync) : (int)syscall(SYS_fsync, fd);
}
int fdatasync(int fd) {
    return open_name(fd) ? do_sync(fd, SYS_fdatasync) : (int)syscall(SYS_fdatasync, fd);
}
int fallocate(int fd, int how, off_t offset, off_t length) {
    return open_name(fd) ? do_allocate(fd, how, offset, length)
                         : (int)syscall(SYS_fallocate, fd, how, offset, length);
}
int fallocate64(int fd, int how, off_t offset, off_t length) {
    return fallocate(fd, how, offset, length);
}
int posix_fallocate(int fd, off_t offset, off_t length) {
    return fallocate(fd, 0, offset, length) == 0 ? 0 : errno;
}
int posix_fallocate64(int fd, off_t offset, off_t length) {
    return posix_fallocate(fd, offset, length);
}
int unlink(const char *path) { return do_unlink(AT_FDCWD, path, 0); }
int unlinkat(int folder, const char *path, int flags) { return do_unlink(folder, path, flags); }
int rename(const char *from, const char *to) {
    const char *name = our_name(to);
    if (!name) return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    pthread_mutex_lock(&mutex);
    int decision = decide(CHANGES, RENAME, name, 1);
    if (decision > 0) return failed(decision);
    int result = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    const char *old = our_name(from);
    if (result == 0 && old) note(RENAME, 0, -1, name, 0, old, strlen(old));
    return (int)done(result, decision);
}
int mkdir(const char *path, mode_t permissions) {
    const char *name = our_name(path);
    if (!name) return (int)syscall(SYS_mkdirat, AT_FDCWD, path, permissions);
    pthread_mutex_lock(&mutex);
    int decision = decide(CHANGES, MKDIR, name, 1);
    if (decision > 0) return failed(decision);
    int result = (int)syscall(SYS_mkdirat, AT_FDCWD, path, permissions);
    return (int)done(result, decision);
}
ssize_t read(int fd, void *bytes, size_t length) {
    return open_name(fd) ? do_read(fd, bytes, length, -1) : syscall(SYS_read, fd, bytes, length);
}
ssize_t pread(int fd, void *bytes, size_t length, off_t offset) {
    return open_name(fd) ? do_read(fd, bytes, length, offset)
                         : syscall(SYS_pread64, fd, bytes, length, offset);
}
ssize_t pread64(int fd, void *bytes, size_t length, off_t offset) {
    return pread(fd, bytes, length, offset);
}
