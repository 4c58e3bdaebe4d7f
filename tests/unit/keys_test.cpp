// Key files: what is made, and what is refused.
#include "link/wire/keys.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "model/error.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temp_dir.hpp"

namespace lockstep::wire {
namespace {
namespace fs = std::filesystem;

template <class Work>
std::string refusal_of(Work&& work) {
  try {
    work();
    return {};
  } catch (const Error& error) {
    return error.code();
  }
}

std::string refusal_of_secret(const std::string& path) {
  return refusal_of([&] {
    Secret secret;
    static_cast<void>(read_secret_key(path, secret));
  });
}

void put(const std::string& path, const std::string& text, mode_t mode = 0600) {
  std::ofstream(path) << text;
  REQUIRE(::chmod(path.c_str(), mode) == 0);
}

}  // namespace

TEST_CASE("a pair of key files: the secret is ours alone, the public half is its own") {
  const test::TempDir folder;
  const std::string path = folder.file("pair");
  const std::string made = generate_keys(path);
  struct stat facts {};
  REQUIRE(::stat(path.c_str(), &facts) == 0);
  CHECK((facts.st_mode & 07777U) == 0600U);
  Secret secret;
  CHECK(read_secret_key(path, secret) == made);
  CHECK(read_public_key(path + ".pub") == made);
  CHECK(read_allowed_keys(path + ".pub") == std::vector{made});
  CHECK(read_allowed_keys(folder.path().string()) == std::vector{made});  // *.pub only
  CHECK(fingerprint(made).size() == 12);
  const std::string other = generate_keys(folder.file("other"));
  CHECK(fingerprint(other) != fingerprint(made));
  CHECK(read_allowed_keys(folder.path().string()).size() == 2);
  CHECK(refusal_of([&] { generate_keys(path); }) == "LS-C125");
  CHECK(read_public_key(path + ".pub") == made);
}

TEST_CASE("a pair is made through a link to its folder, and its modes are those it has to have") {
  const test::TempDir folder;
  fs::create_directory(folder.file("real"));
  fs::create_directory_symlink(folder.file("real"), folder.file("link"));
  const mode_t before = ::umask(077);
  const std::string made = generate_keys(folder.file("link/pair"));
  ::umask(before);
  CHECK(read_public_key(folder.file("real/pair.pub")) == made);
  struct stat facts {};
  REQUIRE(::stat(folder.file("real/pair.pub").c_str(), &facts) == 0);
  CHECK((facts.st_mode & 07777U) == 0644U);
  REQUIRE(::stat(folder.file("real/pair").c_str(), &facts) == 0);
  CHECK((facts.st_mode & 07777U) == 0600U);
}

TEST_CASE("of a pair that cannot be written nothing is left") {
  const test::TempDir folder;
  const std::string path = folder.file("pair");
  struct sigaction ignore {
  }, before_signal{};
  ignore.sa_handler = SIG_IGN;
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  REQUIRE(::sigaction(SIGXFSZ, &ignore, &before_signal) == 0);
  const auto refusal_with_room = [&](rlim_t bytes) {
    const rlimit limit{bytes, before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
    std::string code = refusal_of([&] { generate_keys(path); });
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
    return code;
  };
  // Nothing can be written, or the public half in part.
  for (const rlim_t bytes : {rlim_t{0}, rlim_t{50}}) {
    CHECK(refusal_with_room(bytes) == "LS-C122");
    CHECK(fs::is_empty(folder.path()));
  }
  REQUIRE(::sigaction(SIGXFSZ, &before_signal, nullptr) == 0);
  CHECK(refusal_of([&] { generate_keys(folder.file("none/pair")); }) == "LS-C122");
  put(path, "mine");
  CHECK(refusal_of([&] { generate_keys(path); }) == "LS-C125");
  CHECK(fs::file_size(path) == 4);
  CHECK_FALSE(fs::exists(path + ".pub"));
  fs::remove(path);
  generate_keys(path);  // and the next try is in nobody's way
}

TEST_CASE(
    "key files that others can read, that are links, or that hold something else are refused") {
  const test::TempDir folder;
  const std::string path = folder.file("pair");
  const std::string made = generate_keys(path);
  CHECK(refusal_of_secret(folder.file("missing")) == "LS-C122");
  CHECK(refusal_of_secret(folder.path().string()) == "LS-C122");
  for (const mode_t mode : {0640U, 0604U, 0620U, 0601U}) {
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    CHECK(refusal_of_secret(path) == "LS-C123");
  }
  REQUIRE(::chmod(path.c_str(), 0600) == 0);
  CHECK(refusal_of_secret(path).empty());
  fs::create_symlink(path, folder.file("link"));
  CHECK(refusal_of_secret(folder.file("link")) == "LS-C123");
  REQUIRE(::chmod((path + ".pub").c_str(), 0666) == 0);
  CHECK(refusal_of([&] { static_cast<void>(read_allowed_keys(path + ".pub")); }) == "LS-C123");
  if (::geteuid() == 0) {
    REQUIRE(::chown(path.c_str(), 65'534, 65'534) == 0);
    CHECK(refusal_of_secret(path) == "LS-C123");
  }
  // The wrong kind, two of them, none, rubbish; the text never shows in the error.
  const std::string file = folder.file("file");
  for (const std::string& text :
       {"public " + made + "\n", "secret " + made + "\nsecret " + made + "\n", std::string("\n"),
        std::string("secret tooshort\n"), "secret " + made + "!\n", std::string(100'000, 'x')}) {
    put(file, text);
    CHECK(refusal_of_secret(file) == "LS-C122");
  }
  put(file, "secret " + made);
  try {
    static_cast<void>(read_allowed_keys(file));
    FAIL("a secret file is no list of public keys");
  } catch (const Error& error) {
    CHECK(error.code() == "LS-C122");
    CHECK((error.facts().what + error.facts().why + error.facts().todo).find(made) ==
          std::string::npos);
  }
}

TEST_CASE("the keys of ZeroMQ's manual are refused") {
  const test::TempDir folder;
  const std::string file = folder.file("published");
  put(file, "secret JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6\n");
  CHECK(refusal_of_secret(file) == "LS-C124");
  put(file, "public rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7\n");
  CHECK(refusal_of([&] { static_cast<void>(read_allowed_keys(file)); }) == "LS-C124");
}

TEST_CASE("a process with keys leaves no core dump and cannot be read by others of its user") {
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_CORE, &before) == 0);
  protect_memory();
  rlimit now{1, 1};
  REQUIRE(::getrlimit(RLIMIT_CORE, &now) == 0);
  CHECK(now.rlim_cur == 0);
  CHECK(::prctl(PR_GET_DUMPABLE) == 0);
  ::prctl(PR_SET_DUMPABLE, 1);  // this program holds none
}

}  // namespace lockstep::wire
