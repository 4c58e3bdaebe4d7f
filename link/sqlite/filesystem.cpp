#include "link/sqlite/filesystem.hpp"

#include <fmt/format.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#include <array>
#include <filesystem>

#include "link/sqlite/file_descriptor.hpp"
#include "model/error.hpp"

namespace lockstep::sqlite {

namespace {

struct Known {
  std::uint64_t magic;
  Filesystem is;
};

// statfs(2), and <linux/magic.h>. Cluster file systems have locks of all hosts but no memory that
// they share, which is what a WAL needs.
constexpr std::array<Known, 18> kKnown{{{0x6969, {FilesystemKind::shared, "NFS"}},
                                        {0x517b, {FilesystemKind::shared, "SMB"}},
                                        {0xfe534d42, {FilesystemKind::shared, "SMB2"}},
                                        {0xff534d42, {FilesystemKind::shared, "CIFS"}},
                                        {0x5346414f, {FilesystemKind::shared, "AFS"}},
                                        {0x6b414653, {FilesystemKind::shared, "AFS"}},
                                        {0x73757245, {FilesystemKind::shared, "Coda"}},
                                        {0x564c, {FilesystemKind::shared, "NCP"}},
                                        {0x00c36400, {FilesystemKind::shared, "Ceph"}},
                                        {0x0bd00bd0, {FilesystemKind::shared, "Lustre"}},
                                        {0x01161970, {FilesystemKind::shared, "GFS2"}},
                                        {0x7461636f, {FilesystemKind::shared, "OCFS2"}},
                                        {0x47504653, {FilesystemKind::shared, "GPFS"}},
                                        {0x19830326, {FilesystemKind::shared, "BeeGFS"}},
                                        {0xaad7aaea, {FilesystemKind::shared, "PanFS"}},
                                        {0x65735546, {FilesystemKind::unknown, "FUSE"}},
                                        {0x01021997, {FilesystemKind::unknown, "9P"}},
                                        {0x786f4256, {FilesystemKind::unknown, "vboxsf"}}}};

std::string folder_of(const std::string& database_path) {
  const std::filesystem::path real = real_path(database_path);
  return real.has_parent_path() ? real.parent_path().string() : ".";
}

}  // namespace

Filesystem judge_filesystem(std::uint64_t magic) {
  for (const Known& known : kKnown)
    if (known.magic == magic) return known.is;
  return {};
}

Filesystem require_local(const std::string& database_path) {
  struct statfs about {};
  if (::statfs(folder_of(database_path).c_str(), &about) != 0) return {};
  // f_type is signed, and some magic numbers have the highest of their 32 bits set.
  const Filesystem found = judge_filesystem(static_cast<std::uint32_t>(about.f_type));
  if (found.kind != FilesystemKind::shared) return found;
  throw Error(
      {.code = "LS-S314",
       .exit = ExitCode::precondition,
       .what =
           fmt::format("{} lies on a file system that hosts share ({})", database_path, found.name),
       .why = "SQLite's locks and its shared memory work on one host only: writers and readers on "
              "several would damage the database",
       .data = "nothing was touched",
       .todo = "run lockstep on the host that has the disk, beside the application"});
}

std::optional<std::int64_t> free_bytes(const std::string& database_path) {
  struct statvfs about {};
  if (::statvfs(folder_of(database_path).c_str(), &about) != 0) return std::nullopt;
  return static_cast<std::int64_t>(about.f_bavail * about.f_frsize);
}

}  // namespace lockstep::sqlite
