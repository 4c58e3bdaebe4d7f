// What libzmq would remove, take over or follow: everything here is at a path that somebody typed.
#include "link/wire/ipc_path.hpp"

#include <fmt/format.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "model/error.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temp_dir.hpp"

namespace lockstep::wire {
namespace {

namespace fs = std::filesystem;
using test::Descriptor;

template <class Act>
std::string code_of(Act&& act) {
  try {
    act();
    return "none";
  } catch (const Error& error) {
    return error.code();
  }
}

std::string refusal_to_listen(const std::string& path) {
  return code_of([&] { const IpcListener listener(path); });
}

/// A socket file; whoever made it is gone unless the descriptor is kept.
Descriptor bound(const std::string& path, bool listening, int type = SOCK_STREAM) {
  Descriptor fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size());
  REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  if (listening) REQUIRE(::listen(fd.get(), 1) == 0);
  return fd;
}

ino_t inode_of(const std::string& path) {
  struct stat about {};
  return ::lstat(path.c_str(), &about) == 0 ? about.st_ino : 0;
}

TEST_CASE("what is at the path of a socket stays as it is") {
  const test::TempDir dir;
  const std::string path = dir.file("s");
  SECTION("a file") {
    std::ofstream(path) << "precious";
    CHECK(refusal_to_listen(path) == "LS-W516");
    std::ifstream file(path);
    CHECK(std::string(std::istreambuf_iterator<char>{file}, {}) == "precious");
  }
  SECTION("a link, even to nothing") {
    fs::create_symlink(dir.file("elsewhere"), path);
    CHECK(refusal_to_listen(path) == "LS-W516");
    CHECK(fs::is_symlink(path));
    CHECK_FALSE(fs::exists(dir.file("elsewhere")));
  }
  SECTION("a folder") {
    fs::create_directory(path);
    CHECK(refusal_to_listen(path) == "LS-W516");
  }
  SECTION("a socket that somebody listens on") {
    const Descriptor other = bound(path, true);
    const ino_t before = inode_of(path);
    CHECK(refusal_to_listen(path) == "LS-W517");
    CHECK(inode_of(path) == before);
  }
  SECTION("a socket that is no stream") {
    const Descriptor other = bound(path, false, SOCK_DGRAM);
    CHECK(refusal_to_listen(path) == "LS-W516");
  }
  SECTION("another user's dead socket") {
    if (::geteuid() != 0) return;
    bound(path, false).reset();
    REQUIRE(::chown(path.c_str(), 12'345, 12'345) == 0);
    CHECK(refusal_to_listen(path) == "LS-W516");
  }
  CHECK(inode_of(path) != 0);
  CHECK_FALSE(fs::exists(path + ".lock"));
}

TEST_CASE("a dead socket of ours makes room, and both files go in the end") {
  const test::TempDir dir;
  const std::string path = dir.file("s");
  bound(path, true).reset();
  {
    const IpcListener listener(path);
    struct stat about {};
    REQUIRE(::lstat(path.c_str(), &about) == 0);
    CHECK((about.st_mode & 0777U) == 0600);
    CHECK(refusal_to_listen(path) == "LS-W517");
    CHECK(fs::exists(path));
  }
  CHECK_FALSE(fs::exists(path));
  CHECK_FALSE(fs::exists(path + ".lock"));
}

// Between the question whether a socket is dead and its removal another one could take its place.
TEST_CASE("while somebody else holds the lock nothing is removed") {
  const test::TempDir dir;
  const std::string path = dir.file("s");
  bound(path, false).reset();
  const Descriptor lock(::open((path + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  REQUIRE(::flock(lock.get(), LOCK_EX) == 0);
  const ino_t before = inode_of(path);
  CHECK(refusal_to_listen(path) == "LS-W517");
  CHECK(inode_of(path) == before);
}

TEST_CASE("a lock file that is somebody's own file is left alone") {
  const test::TempDir dir;
  const std::string path = dir.file("s");
  std::ofstream(path + ".lock") << "precious";
  CHECK(refusal_to_listen(path) == "LS-W516");
  fs::remove(path + ".lock");
  fs::create_symlink(dir.file("elsewhere"), path + ".lock");
  CHECK(refusal_to_listen(path) == "LS-W516");
  CHECK_FALSE(fs::exists(dir.file("elsewhere")));
  CHECK_FALSE(fs::exists(path));
}

TEST_CASE("what has taken the socket's place is not removed at the end") {
  const test::TempDir dir;
  const std::string path = dir.file("s");
  {
    const IpcListener listener(path);
    fs::remove(path);
    std::ofstream(path) << "precious";
  }
  CHECK(fs::file_size(path) == 8);
}

TEST_CASE("a folder that is missing or a path that is too long is the system's refusal") {
  const test::TempDir dir;
  CHECK(refusal_to_listen(dir.file("none/s")) == "LS-W510");
  CHECK(refusal_to_listen(dir.file(std::string(120, 'x'))) == "LS-W510");
  CHECK_FALSE(fs::exists(dir.file(std::string(120, 'x')) + ".lock"));
}

TEST_CASE("only our own user's or root's socket is followed") {
  const test::TempDir dir;
  const std::string path = dir.file("s");
  const auto refusal = [&] { return code_of([&] { refuse_foreign_listener(path); }); };
  CHECK(refusal() == "none");  // capture may come later
  const Descriptor other = bound(path, true);
  CHECK(refusal() == "none");
  if (::geteuid() == 0) {
    REQUIRE(::chown(path.c_str(), 12'345, 12'345) == 0);
    CHECK(refusal() == "LS-W518");
  }
  fs::remove(path);
  std::ofstream(path) << "no socket";
  CHECK(refusal() == "LS-W518");

  const auto answer = [&](const std::string& peer) {
    return code_of([&] { refuse_foreign_peer(path, peer); });
  };
  CHECK(answer(fmt::format("localhost:{}:0:1", ::geteuid())) == "none");
  CHECK(answer("localhost:0:0:1") == "none");
  CHECK(answer("localhost:12345:0:1") == "LS-W518");
  CHECK(answer("127.0.0.1") == "none");
  CHECK(answer("") == "none");
  CHECK(answer(":") == "none");
  CHECK(answer("localhost:x:1:1") == "none");
}

}  // namespace
}  // namespace lockstep::wire
