#include "link/sqlite/filesystem.hpp"

#include <catch2/catch.hpp>

#include "tests/support/temp_dir.hpp"

namespace lockstep::sqlite {

TEST_CASE("file systems that hosts share are told from local ones by their magic number") {
  for (const auto& [magic, name] : {std::pair<std::uint64_t, std::string_view>{0x6969, "NFS"},
                                    {0xff534d42, "CIFS"},
                                    {0xfe534d42, "SMB2"},
                                    {0x517b, "SMB"},
                                    {0x00c36400, "Ceph"},
                                    {0x5346414f, "AFS"}}) {
    CHECK(judge_filesystem(magic).kind == FilesystemKind::shared);
    CHECK(judge_filesystem(magic).name == name);
  }
  for (const std::uint64_t unknown : {0x65735546, 0x01021997})
    CHECK(judge_filesystem(unknown).kind == FilesystemKind::unknown);
  // ext4, XFS, Btrfs, tmpfs, overlayfs, ZFS
  for (const std::uint64_t local : {0xef53, 0x58465342, 0x01021994, 0x794c7630, 0x2fc12fc1})
    CHECK(judge_filesystem(local).kind == FilesystemKind::local);
  CHECK(judge_filesystem(0x9123683e).kind == FilesystemKind::local);
}

TEST_CASE("the room on a database's disk is told") {
  const test::TempDir folder;
  CHECK(free_bytes(folder.file("app.db")).value_or(0) > 0);
  CHECK_FALSE(free_bytes(folder.file("not there/app.db")));
}

}  // namespace lockstep::sqlite
