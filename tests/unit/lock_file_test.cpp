#include "link/sqlite/lock_file.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>

#include "model/error.hpp"
#include "tests/support/temp_dir.hpp"

namespace lockstep::sqlite {
namespace {

namespace fs = std::filesystem;

/// A child process: runs `body`, tells its answer by one byte, goes on with `afterwards` and waits
/// to be killed.
class Child {
 public:
  explicit Child(
      const std::function<char()>& body, const std::function<void()>& afterwards = [] {}) {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) FAIL("pipe");
    pid_ = ::fork();
    if (pid_ == 0) run(body, afterwards, ends[1]);
    ::close(ends[1]);
    if (::read(ends[0], &answer_, 1) != 1) answer_ = '!';
    ::close(ends[0]);
  }
  ~Child() { kill_hard(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  [[nodiscard]] char answer() const { return answer_; }
  [[nodiscard]] bool alive() const { return ::waitpid(pid_, nullptr, WNOHANG) == 0; }
  void kill_hard() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  // What is thrown must not reach Catch, which would go on with the tests in the child.
  [[noreturn]] static void run(const std::function<char()>& body,
                               const std::function<void()>& afterwards, int out) noexcept {
    const char answer = body();
    if (::write(out, &answer, 1) != 1) ::_exit(1);
    afterwards();
    for (;;) ::pause();
  }

  pid_t pid_ = -1;
  char answer_ = '!';
};

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The Error's code; empty if there is none.
std::string refusal_of(const std::function<void()>& action) {
  try {
    action();
    return {};
  } catch (const Error& error) {
    return error.code();
  }
}

TEST_CASE("a second process cannot take a lock that is held") {
  const test::TempDir dir;
  const std::string database = dir.file("app.db");
  const auto held = LockFile::take(database);
  REQUIRE(held.has_value());
  const Child other([&] { return LockFile::take(database) ? 'y' : 'n'; });
  CHECK(other.answer() == 'n');
}

TEST_CASE("the lock of a killed holder is free again, and its last word can be read") {
  const test::TempDir dir;
  const std::string database = dir.file("app.db");
  std::optional<LockFile> kept;
  Child holder([&] {
    auto taken = LockFile::take(database);
    if (!taken) return 'n';
    kept.emplace(*std::move(taken)).publish("last word");
    return 'y';
  });
  REQUIRE(holder.answer() == 'y');
  CHECK_FALSE(LockFile::take(database).has_value());
  CHECK(read_published(database)->alive);
  holder.kill_hard();
  REQUIRE(read_published(database).has_value());
  CHECK_FALSE(read_published(database)->alive);
  CHECK(read_published(database)->text == "last word");
  CHECK(LockFile::take(database).has_value());
}

TEST_CASE("no file means that nothing was published, and a clean end leaves no file") {
  const test::TempDir dir;
  const std::string database = dir.file("app.db");
  CHECK_FALSE(read_published(database).has_value());
  auto held = LockFile::take(database);
  REQUIRE(held.has_value());
  CHECK(fs::exists(database + "-lockstep"));
  held->remove();
  CHECK_FALSE(fs::exists(database + "-lockstep"));
  // The path names no locked file any more, so the next run need not wait for this object to go.
  CHECK(LockFile::take(database).has_value());
}

TEST_CASE("only the owner of the file is let in, even if it was left readable by all") {
  const test::TempDir dir;
  const std::string path = dir.file("app.db-lockstep");
  std::ofstream(path) << "old";
  fs::permissions(path, fs::perms(0666));
  const auto held = LockFile::take(dir.file("app.db"));
  struct stat about {};
  REQUIRE(::stat(path.c_str(), &about) == 0);
  CHECK((about.st_mode & 07777) == 0600);
}

TEST_CASE("a shorter text replaces a longer one, and its line of digits leads it") {
  const test::TempDir dir;
  const std::string database = dir.file("app.db");
  auto held = LockFile::take(database);
  REQUIRE(held.has_value());
  held->publish(std::string(10'000, 'x'));
  CHECK(read_published(database)->text == std::string(10'000, 'x'));
  held->publish("{\"state\":\"following\"}\n");
  CHECK(read_published(database)->text == "{\"state\":\"following\"}\n");
  held->publish("");
  CHECK(read_published(database)->text.empty());
  // XXH3-64 of nothing, as its authors publish it.
  CHECK(content_of(database + "-lockstep") == "2d06800538d394c2\n");
}

TEST_CASE("a torn text is told and not shown") {
  const test::TempDir dir;
  const std::string database = dir.file("app.db");
  auto held = LockFile::take(database);
  REQUIRE(held.has_value());
  held->publish("a status that will be torn");
  const std::string whole = content_of(database + "-lockstep");
  REQUIRE(whole.size() > 20);
  for (const std::size_t length :
       {std::size_t{0}, std::size_t{5}, std::size_t{17}, whole.size() - 1}) {
    CAPTURE(length);
    std::ofstream(database + "-lockstep", std::ios::trunc) << whole.substr(0, length);
    REQUIRE(read_published(database).has_value());
    CHECK(read_published(database)->text.empty());
    CHECK(read_published(database)->alive);
  }
  std::string flipped = whole;
  flipped.back() = '!';
  std::ofstream(database + "-lockstep", std::ios::trunc) << flipped;
  CHECK(read_published(database)->text.empty());
  std::ofstream(database + "-lockstep", std::ios::trunc) << whole;
  CHECK(read_published(database)->text == "a status that will be torn");
}

TEST_CASE("readers who look whether a run lives never keep one from starting") {
  const test::TempDir dir;
  const std::string database = dir.file("app.db");
  {
    const auto once = LockFile::take(database);
    REQUIRE(once.has_value());
  }
  const Child looker([] { return 'y'; },
                     [&] {
                       for (;;) static_cast<void>(read_published(database));
                     });
  REQUIRE(looker.answer() == 'y');
  for (int i = 0; i < 20'000; ++i) REQUIRE(LockFile::take(database).has_value());
  CHECK(looker.alive());
}

TEST_CASE("who takes the lock while another removes the file holds the file that the path names") {
  const test::TempDir dir;
  const std::string database = dir.file("app.db");
  const Child comer_and_goer([] { return 'y'; },
                             [&] {
                               for (;;)
                                 if (auto held = LockFile::take(database)) held->remove();
                             });
  REQUIRE(comer_and_goer.answer() == 'y');
  int taken = 0;
  for (int i = 0; i < 3000; ++i) {
    auto held = LockFile::take(database);
    if (!held) continue;
    ++taken;
    const std::string text = "round " + std::to_string(i);
    held->publish(text);
    const auto published = read_published(database);
    REQUIRE(published.has_value());
    REQUIRE(published->alive);
    REQUIRE(published->text == text);
    if (i % 2 == 0) held->remove();
  }
  CHECK(taken > 100);
  CHECK(comer_and_goer.alive());
}

TEST_CASE("two names of one database have one lock") {
  const test::TempDir dir;
  std::ofstream(dir.file("app.db")) << "x";
  fs::create_symlink(dir.file("app.db"), dir.file("link.db"));
  const auto held = LockFile::take(dir.file("app.db"));
  REQUIRE(held.has_value());
  CHECK_FALSE(LockFile::take(dir.file("link.db")).has_value());
  CHECK(read_published(dir.file("link.db"))->alive);
}

TEST_CASE("a lock file that leads elsewhere is refused and left alone") {
  const test::TempDir dir;
  const std::string database = dir.file("app.db");
  const std::string path = database + "-lockstep";
  std::ofstream(dir.file("precious")) << "precious";
  SECTION("symbolic link") {
    fs::create_symlink(dir.file("precious"), path);
  }
  SECTION("hard link") {
    fs::create_hard_link(dir.file("precious"), path);
  }
  CHECK(refusal_of([&] { static_cast<void>(LockFile::take(database)); }) == "LS-S331");
  CHECK(content_of(dir.file("precious")) == "precious");
}

TEST_CASE("a lock file that is a pipe is refused without waiting") {
  const test::TempDir dir;
  REQUIRE(::mkfifo(dir.file("app.db-lockstep").c_str(), 0600) == 0);
  CHECK(refusal_of([&] { static_cast<void>(LockFile::take(dir.file("app.db"))); }) == "LS-S331");
  CHECK(refusal_of([&] { static_cast<void>(read_published(dir.file("app.db"))); }) == "LS-S331");
}

TEST_CASE("a file that another run made meanwhile is not removed") {
  const test::TempDir dir;
  const std::string database = dir.file("app.db");
  auto first = LockFile::take(database);
  REQUIRE(first.has_value());
  fs::remove(database + "-lockstep");
  const auto second = LockFile::take(database);
  REQUIRE(second.has_value());
  first->remove();
  CHECK(fs::exists(database + "-lockstep"));
  CHECK_FALSE(LockFile::take(database).has_value());
}

}  // namespace
}  // namespace lockstep::sqlite
