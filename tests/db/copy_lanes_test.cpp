// The copying sessions, and how they are stopped.
#include "ops/copy_lanes.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "tests/support/followed_target.hpp"
#include "tests/support/wait_until.hpp"

namespace lockstep::test {
namespace {

const TempDir folder;
const std::string go = folder.file("go");
// Read when the first failpoint is reached; this program has no other use for it.
const int armed =
    ::setenv("LOCKSTEP_FAILPOINTS", ("snap.chunk_committed=block:" + go + "@0").c_str(), 1);

bool asleep(pid_t thread) {
  std::ifstream file(fmt::format("/proc/self/task/{}/stat", thread));
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  const std::size_t end = text.rfind(')');
  return end != std::string::npos && text.size() > end + 2 && text[end + 2] == 'S';
}

}  // namespace

TEST_CASE("a stop wakes who waits for room in a copying session's queue") {
  using namespace std::chrono_literals;
  REQUIRE(armed == 0);
  PostgresServer server{{"fsync=off"}};
  CapturedSource source(
      "CREATE TABLE first(id INTEGER PRIMARY KEY); INSERT INTO first VALUES (1);"
      "CREATE TABLE second(id INTEGER PRIMARY KEY); INSERT INTO second VALUES (1)");
  source.install();
  const FollowedTarget target(server, source);
  postgres::Connection connection = connect(target.dsn());
  const std::vector<apply::LedgerTable> tables = apply::read_tables(connection, kMigration);
  std::vector<ops::PartToCopy> parts;
  for (const apply::LedgerTable& table : tables) parts.push_back({&table, &table.parts.at(0)});
  ops::Board board({});
  ops::CopyLanes lanes({postgres::parse_dsn(target.dsn()), kMigration, "public"}, parts, 1, board);

  // The session has committed its first part and is held up before it looks for more.
  snapshot::Reader reader(sqlite::Database::open(source.path(), sqlite::OpenMode::read_only),
                          source.plans(), {});
  reader.request({{tables.at(0).plan.id, {}, {}}});
  const snapshot::Reader::Slice slice = reader.slice();
  lanes.rows(0, slice.entries);
  lanes.chunk_end(slice.chunk_end.value());
  REQUIRE(wait_until([&] { return target.query("SELECT 1 FROM first").size() == 1; }, 20s));

  std::atomic<int> taken{0};
  std::atomic<pid_t> waiting{0};
  std::future<void> ended = std::async(std::launch::async, [&] {
    waiting = ::gettid();
    for (int i = 0; i < 9; ++i) {  // the ninth finds the queue full
      lanes.rows(1, std::string(std::size_t{1} << 20, 'x'));
      ++taken;
    }
  });
  REQUIRE(wait_until([&] { return taken == 8; }, 20s));
  int looks = 0;
  REQUIRE(wait_until([&] { return (looks = asleep(waiting) ? looks + 1 : 0) >= 20; }, 20s));
  lanes.cancel();
  std::ofstream{go}.flush();
  if (ended.wait_for(20s) != std::future_status::ready) {
    std::fputs("after a stop somebody still waits for room in a queue\n", stderr);
    std::_Exit(1);  // that thread would keep this program for ever
  }
  CHECK(taken == 9);
}

}  // namespace lockstep::test
