// Faults below Node: preloaded before libc, it stands in for the calls by which libuv changes a file system, counts those
// on paths under one directory, and makes the n-th fail. faults.ts compiles it, arms it and reads it, in the same process.
//
// What libuv of Node 20 to 24 calls, by strace and `nm -D`: open64, write (one buffer), writev (several), pwrite64 and
// pwritev (with a position), ftruncate64, fsync, fdatasync, rename, link, unlink, mkdir; close goes through syscall(2). A
// rmSync of Node 24 is C++'s remove(3) and unlinkat. Not seen: copyFile's copy_file_range, and io_uring (UV_USE_IO_URING=0
// switches it off). libuv itself goes on after a short write, and hides the error of that next write: Node sees the short
// count. koffi asks dlopen for libc.so.6 by name, so that gets the global scope, in which we come first.
//
// Calls come from libuv's threads as well, so one mutex guards all of the state.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

// In the order of CALLS in faults.ts; a `create` is an open with O_CREAT, an `open` any other.
enum call { OPEN, CREATE, WRITE, WRITEV, PWRITE, FTRUNCATE, FALLOCATE, FSYNC, FDATASYNC, RENAME, LINK, UNLINK, MKDIR,
            CLOSE, CALLS };
static const char *const names[CALLS] = { "open", "create", "write", "writev", "pwrite", "ftruncate", "fallocate", "fsync",
                                          "fdatasync", "rename", "link", "unlink", "mkdir", "close" };

#define SHORT (-1) // what fate() says of a write of which only half may arrive
#define LOG_LENGTH 32768
#define EVENT_SIZE 384

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int armed;             // counting, and failing what is to fail
static char prefix[PATH_MAX]; // of the paths that count
static uint32_t mask;         // calls that may fail, by 1 << enum call
static int shorten, error;    // half of the n-th, then `error`
static uint64_t nth, count;   // the first to fail, and how many do
static uint64_t candidates;   // calls so far that might have been the n-th
static uint64_t hits, calls[CALLS], hit[CALLS];
static int spared;               // calls count, and none of them fails
static char graveyard[PATH_MAX]; // "" for none
static uint64_t buried;
static char events[LOG_LENGTH][EVENT_SIZE];
static uint64_t logged;

#define REAL(name)                                                                                                       \
  ({                                                                                                                     \
    static __typeof__(&name) real;                                                                                       \
    if (real == NULL) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name);                                                 \
    real;                                                                                                                \
  })

/** From the `nth` call of those in `callMask` on, `times` of them fail with `errorNumber`. With `half`, only writes of two
    bytes and more count towards `nth`, half of the n-th arrives, and the `times` calls after that fail. A complete savefile
    that is deleted is kept in `burialGround`, if there is one, under a name that begins with a number. */
void fault_arm(const char *directory, const char *burialGround, uint32_t callMask, uint64_t n, int half, int errorNumber,
               uint64_t times) {
  pthread_mutex_lock(&mutex);
  snprintf(prefix, sizeof prefix, "%s", directory);
  snprintf(graveyard, sizeof graveyard, "%s", burialGround);
  buried = 0;
  spared = 0;
  mask = callMask;
  nth = n;
  shorten = half;
  error = errorNumber;
  count = times;
  candidates = hits = logged = 0;
  memset(calls, 0, sizeof calls);
  memset(hit, 0, sizeof hit);
  armed = 1;
  pthread_mutex_unlock(&mutex);
}

/** 0: calls neither count nor fail until 1. Returns what it was. */
int fault_enable(int enable) {
  pthread_mutex_lock(&mutex);
  int before = armed;
  armed = enable;
  pthread_mutex_unlock(&mutex);
  return before;
}

/** 1: calls are counted and logged, but none fails until 0. Returns what it was. */
int fault_spare(int spare) {
  pthread_mutex_lock(&mutex);
  int before = spared;
  spared = spare;
  pthread_mutex_unlock(&mutex);
  return before;
}

uint64_t fault_calls(int call) { return calls[call]; }
uint64_t fault_hits(int call) { return hit[call]; }
/** How many calls have been logged, and one of them; all but the last 32768 are forgotten. */
uint64_t fault_logged(void) { return logged; }
const char *fault_log(uint64_t index) { return events[index % LOG_LENGTH]; }

static int isWrite(enum call call) { return call == WRITE || call == WRITEV || call == PWRITE; }

static int decide(enum call call, size_t length) {
  if (spared) return 0;
  if (!(mask >> call & 1)) return 0;
  if (!shorten) {
    candidates++;
    return candidates >= nth && candidates - nth < count ? error : 0;
  }
  if (candidates < nth) return isWrite(call) && length > 1 && ++candidates == nth ? SHORT : 0;
  return hits <= count ? error : 0;
}

/** 0 when the call may pass, an errno, or SHORT. `detail` is for the log. */
static int fateWith(enum call call, const char *path, size_t length, const char *detail) {
  if (!armed) return 0;
  int before = errno;
  pthread_mutex_lock(&mutex);
  int result = 0;
  if (armed && strncmp(path, prefix, strlen(prefix)) == 0) {
    calls[call]++;
    result = decide(call, length);
    if (result != 0) {
      hits++;
      hit[call]++;
    }
    char *event = events[logged++ % LOG_LENGTH];
    snprintf(event, EVENT_SIZE, "%s %.120s %zu %.160s%s%s", names[call], path + strlen(prefix), length, detail,
             result == 0 ? "" : result == SHORT ? " -> half" : " -> ",
             result > 0 ? strerror(result) : "");
  }
  pthread_mutex_unlock(&mutex);
  errno = before;
  return result;
}
static int fate(enum call call, const char *path, size_t length) { return fateWith(call, path, length, ""); }

/** As fate(), of a descriptor. */
static int fateOfWith(enum call call, int fd, size_t length, const char *detail) {
  if (!armed) return 0;
  char link[32], path[PATH_MAX];
  int before = errno;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t got = readlink(link, path, sizeof path - 1);
  errno = before;
  if (got < 0) return 0;
  path[got] = 0;
  return fateWith(call, path, length, detail);
}
static int fateOf(enum call call, int fd, size_t length) { return fateOfWith(call, fd, length, ""); }

/** As fateOf(), of a write: the log gets what is text at the start of the bytes. */
static int fateOfWrite(enum call call, int fd, const char *bytes, size_t first, size_t length) {
  if (!armed) return 0;
  char text[160];
  size_t end = 0;
  while (end < first && end < sizeof text - 1 && bytes[end] >= ' ' && bytes[end] <= '~') end++;
  memcpy(text, bytes, end);
  text[end] = 0;
  return fateOfWith(call, fd, length, text);
}

static int endsWith(const char *text, const char *end) {
  size_t length = strlen(text), endLength = strlen(end);
  return length >= endLength && strcmp(text + length - endLength, end) == 0;
}

/** A complete savefile about to be deleted gets one more link, so that what was in it can still be proven; so does what may
    be all there is of one. */
static void bury(const char *path) {
  if (!armed || graveyard[0] == 0 || strncmp(path, prefix, strlen(prefix)) != 0) return;
  if (!endsWith(path, ".pcap") && !endsWith(path, ".pcap.gz") && !endsWith(path, ".pcap.gz.part")) return;
  char grave[2 * PATH_MAX];
  const char *name = strrchr(path, '/');
  int before = errno;
  snprintf(grave, sizeof grave, "%s/%05llu-%s", graveyard, (unsigned long long)__sync_add_and_fetch(&buried, 1),
           name == NULL ? path : name + 1);
  REAL(link)(path, grave);
  errno = before;
}

static int fail(int errorNumber) {
  errno = errorNumber;
  return -1;
}

#define PASS_OR_FAIL(result, pass)                                                                                       \
  ({                                                                                                                     \
    int outcome = (result);                                                                                              \
    outcome == 0 ? (pass) : fail(outcome);                                                                               \
  })

static int fateOfOpen(int directory, const char *path, int flags) {
  enum call call = flags & O_CREAT ? CREATE : OPEN;
  if (path[0] == '/' || directory == AT_FDCWD) return fateWith(call, path, 0, flags & O_EXCL ? "exclusive" : "");
  return fateOf(call, directory, 0);
}

#define MODE(flags, last)                                                                                                \
  ({                                                                                                                     \
    mode_t mode = 0;                                                                                                     \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {                                                                             \
      va_list rest;                                                                                                      \
      va_start(rest, last);                                                                                              \
      mode = va_arg(rest, mode_t);                                                                                       \
      va_end(rest);                                                                                                      \
    }                                                                                                                    \
    mode;                                                                                                                \
  })

int open(const char *path, int flags, ...) {
  mode_t mode = MODE(flags, flags);
  return PASS_OR_FAIL(fateOfOpen(AT_FDCWD, path, flags), REAL(open)(path, flags, mode));
}
int open64(const char *path, int flags, ...) {
  mode_t mode = MODE(flags, flags);
  return PASS_OR_FAIL(fateOfOpen(AT_FDCWD, path, flags), REAL(open64)(path, flags, mode));
}
int openat(int directory, const char *path, int flags, ...) {
  mode_t mode = MODE(flags, flags);
  return PASS_OR_FAIL(fateOfOpen(directory, path, flags), REAL(openat)(directory, path, flags, mode));
}
int openat64(int directory, const char *path, int flags, ...) {
  mode_t mode = MODE(flags, flags);
  return PASS_OR_FAIL(fateOfOpen(directory, path, flags), REAL(openat64)(directory, path, flags, mode));
}

ssize_t write(int fd, const void *bytes, size_t length) {
  int failure = fateOfWrite(WRITE, fd, bytes, length, length);
  if (failure == SHORT) return REAL(write)(fd, bytes, length / 2);
  return PASS_OR_FAIL(failure, REAL(write)(fd, bytes, length));
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
  int failure = fateOfWrite(PWRITE, fd, bytes, length, length);
  if (failure == SHORT) return REAL(pwrite)(fd, bytes, length / 2, offset);
  return PASS_OR_FAIL(failure, REAL(pwrite)(fd, bytes, length, offset));
}
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
  int failure = fateOfWrite(PWRITE, fd, bytes, length, length);
  if (failure == SHORT) return REAL(pwrite64)(fd, bytes, length / 2, offset);
  return PASS_OR_FAIL(failure, REAL(pwrite64)(fd, bytes, length, offset));
}

static size_t total(const struct iovec *pieces, int pieceCount) {
  size_t sum = 0;
  for (int i = 0; i < pieceCount; i++) sum += pieces[i].iov_len;
  return sum;
}

/** The first half of the bytes, in as many pieces as that takes. */
static int halve(const struct iovec *pieces, int pieceCount, struct iovec *halved) {
  size_t left = total(pieces, pieceCount) / 2;
  int used = 0;
  for (; left > 0 && used < IOV_MAX; used++) {
    halved[used] = pieces[used];
    if (halved[used].iov_len > left) halved[used].iov_len = left;
    left -= halved[used].iov_len;
  }
  return used;
}

ssize_t writev(int fd, const struct iovec *pieces, int pieceCount) {
  int failure = fateOfWrite(WRITEV, fd, pieces[0].iov_base, pieces[0].iov_len, total(pieces, pieceCount));
  struct iovec halved[IOV_MAX];
  if (failure == SHORT) return REAL(writev)(fd, halved, halve(pieces, pieceCount, halved));
  return PASS_OR_FAIL(failure, REAL(writev)(fd, pieces, pieceCount));
}
ssize_t pwritev(int fd, const struct iovec *pieces, int pieceCount, off_t offset) {
  int failure = fateOfWrite(PWRITE, fd, pieces[0].iov_base, pieces[0].iov_len, total(pieces, pieceCount));
  struct iovec halved[IOV_MAX];
  if (failure == SHORT) return REAL(pwritev)(fd, halved, halve(pieces, pieceCount, halved), offset);
  return PASS_OR_FAIL(failure, REAL(pwritev)(fd, pieces, pieceCount, offset));
}
ssize_t pwritev64(int fd, const struct iovec *pieces, int pieceCount, off64_t offset) {
  return pwritev(fd, pieces, pieceCount, offset); // off_t has 64 bits wherever this program runs
}

int ftruncate(int fd, off_t length) {
  return PASS_OR_FAIL(fateOf(FTRUNCATE, fd, (size_t)length), REAL(ftruncate)(fd, length));
}
int ftruncate64(int fd, off64_t length) {
  return PASS_OR_FAIL(fateOf(FTRUNCATE, fd, (size_t)length), REAL(ftruncate64)(fd, length));
}
int fallocate(int fd, int mode, off_t offset, off_t length) {
  return PASS_OR_FAIL(fateOf(FALLOCATE, fd, (size_t)length), REAL(fallocate)(fd, mode, offset, length));
}
int fsync(int fd) { return PASS_OR_FAIL(fateOf(FSYNC, fd, 0), REAL(fsync)(fd)); }
int fdatasync(int fd) { return PASS_OR_FAIL(fateOf(FDATASYNC, fd, 0), REAL(fdatasync)(fd)); }

int rename(const char *from, const char *to) {
  const char *name = strrchr(to, '/');
  return PASS_OR_FAIL(fateWith(RENAME, from, 0, name == NULL ? to : name), REAL(rename)(from, to));
}
int link(const char *from, const char *to) { return PASS_OR_FAIL(fate(LINK, to, 0), REAL(link)(from, to)); }
int mkdir(const char *path, mode_t mode) { return PASS_OR_FAIL(fate(MKDIR, path, 0), REAL(mkdir)(path, mode)); }

static int burying(const char *path) {
  int failure = fate(UNLINK, path, 0);
  if (failure == 0) bury(path);
  return failure;
}
int unlink(const char *path) { return PASS_OR_FAIL(burying(path), REAL(unlink)(path)); }
int remove(const char *path) { return PASS_OR_FAIL(burying(path), REAL(remove)(path)); }
int unlinkat(int directory, const char *path, int flags) {
  int failure = path[0] == '/' ? burying(path) : fateOf(UNLINK, directory, 0);
  return PASS_OR_FAIL(failure, REAL(unlinkat)(directory, path, flags));
}

// A close that fails has closed the descriptor all the same: close(2), "Dealing with error returns".
int close(int fd) {
  int failure = fateOf(CLOSE, fd, 0);
  int result = REAL(close)(fd);
  return failure == 0 ? result : fail(failure);
}
long syscall(long number, ...) {
  long a[6];
  va_list rest;
  va_start(rest, number);
  for (int i = 0; i < 6; i++) a[i] = va_arg(rest, long);
  va_end(rest);
  int failure = number == SYS_close ? fateOf(CLOSE, (int)a[0], 0) : 0;
  long result = REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  return failure == 0 ? result : fail(failure);
}

void *dlopen(const char *file, int flags) {
  return REAL(dlopen)(file != NULL && strcmp(file, "libc.so.6") == 0 ? NULL : file, flags);
}
