// Cutover and rollback, stopped at each durable step while one or more of the processes die:
// afterwards one side is open, it has every write that was acknowledged, once, and never would both
// have taken one. The page tests/switchover.md is the table of it.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <deque>
#include <fstream>
#include <random>

#include "tests/support/seed.hpp"
#include "tests/system/open_sides.hpp"
#include "tests/system/shop.hpp"

namespace lockstep::test {
namespace {

constexpr char kForward[] = "cutover", kBack[] = "rollback";

/// A place in a switch: the coordinator stops there.
struct Place {
  std::string direction, failpoint, what;
  enum class Reach { nothing, drained, fenced } reach = Reach::nothing;
};

const std::vector<Place> kPlaces{
    {kForward, "cut.fence_installed", "SQLite has the triggers of the fence"},
    {kForward, "cut.installed", "PostgreSQL has those of its tables"},
    {kForward, "cut.commit_sent", "P is about to be committed"},
    {kForward, "cut.prepared", "P: the attempt is pending"},
    {kForward, "cut.locked", "L: SQLite's write lock is held"},
    {kForward, "cut.drained", "W: PostgreSQL is at the last change", Place::Reach::drained},
    {kForward, "cut.fenced", "F: SQLite is fenced", Place::Reach::fenced},
    {kForward, "cut.commit_sent@2", "C is about to be committed", Place::Reach::fenced},
    {kForward, "cut.committed", "C: PostgreSQL has the writers", Place::Reach::fenced},
    {kForward, "cut.handed_over", "H: SQLite is the replica", Place::Reach::fenced},
    {kBack, "cut.prepared", "P: the attempt is pending"},
    {kBack, "rb.held", "L: writers on PostgreSQL wait"},
    {kBack, "rb.drained", "W: SQLite has the last change"},
    {kBack, "cut.commit_sent", "F is about to be committed"},
    {kBack, "rb.fenced", "F: PostgreSQL is fenced", Place::Reach::fenced},
    {kBack, "rb.committed", "C: SQLite has the writers", Place::Reach::fenced},
    {kBack, "cut.commit_sent@2", "H is about to be committed", Place::Reach::fenced},
    {kBack, "rb.handed_over", "H: PostgreSQL is the replica", Place::Reach::fenced}};

/// Who dies there; the coordinator goes on otherwise.
struct Victims {
  bool coordinator, run, postgres;
};
const std::vector<Victims> kVictims{
    {true, false, false}, {false, true, false}, {false, false, true}, {true, true, false},
    {true, false, true},  {false, true, true},  {true, true, true}};

std::string name(const Victims& who) {
  std::vector<std::string> names;
  if (who.coordinator) names.emplace_back("coordinator");
  if (who.run) names.emplace_back("run");
  if (who.postgres) names.emplace_back("PostgreSQL");
  return fmt::format("{}", fmt::join(names, ", "));
}

enum class Outcomes { forward, back, either };

// Before the fence a dead coordinator has changed nothing. Behind it the gainer has everything, so
// whoever finishes it goes forward.
Outcomes outcomes(const Place& place, const Victims& who) {
  if (place.reach == Place::Reach::fenced) return Outcomes::forward;
  if (who.coordinator || who.postgres) return Outcomes::back;
  // Without run the last change of SQLite may stay away for longer than the budget; a rollback has
  // a feed of its own.
  return place.direction == kForward && place.reach == Place::Reach::nothing ? Outcomes::either
                                                                             : Outcomes::forward;
}

std::string failpoints(const Place& place) {
  const auto at = place.failpoint.find('@');
  return "LOCKSTEP_FAILPOINTS=" + place.failpoint.substr(0, at) + "=stop" +
         (at == std::string::npos ? "" : place.failpoint.substr(at));
}

class Matrix {
 public:
  explicit Matrix(const std::string& name)
      : shop_(name), writer_(shop_.file(), shop_.dsn(), 100), sides_(shop_.file(), shop_.dsn()) {}

  void strike(const Place& place, const Victims& who) {
    INFO(place.direction << " at " << place.failpoint << ", dies: " << name(who));
    const auto coordinator = stopped_at(place, who);
    if (who.run) shop_.run().kill_hard();
    if (who.postgres) server().kill_hard();
    if (who.coordinator)
      coordinator->kill_hard();
    else
      coordinator->signal(SIGCONT);
    if (who.postgres) server().start();
    ExitStatus ended{.signal = SIGKILL};
    if (!who.coordinator) ended = coordinator->wait_or_throw(30s);
    if (who.run) shop_.follow();
    const bool settled = wait_until([&] { return finished(); }, 30s, 10ms);
    INFO(shop_.sqlite_role() << " " << shop_.postgres_role() << " " << coordinator->error_output()
                             << shop_.run().error_output());
    REQUIRE(settled);
    const bool postgres = shop_.postgres_role() == "primary";
    const bool moved = postgres == (place.direction == kForward);
    const Outcomes allowed = outcomes(place, who);
    CHECK((allowed == Outcomes::either || moved == (allowed == Outcomes::forward)));
    if (!who.coordinator) CHECK(moved == (ended == ExitStatus{.code = 0}));
    const std::size_t before = writer_.acknowledged();
    REQUIRE(wait_until([&] { return writer_.acknowledged() > before + 3; }, 30s, 5ms));
    CHECK(writer_.on_postgres() == postgres);
    CHECK(
        wait_until([&] { return shop_.route() == (postgres ? "postgres" : "sqlite"); }, 10s, 20ms));
    CHECK(shop_.run().running());
    CHECK(sides_.both() == 0);
  }

  void go_to(const std::string& direction) {
    const bool postgres = direction == kBack;
    if ((shop_.postgres_role() == "primary") != postgres) shop_.moved(postgres ? kForward : kBack);
  }
  [[nodiscard]] bool on_postgres() const { return shop_.postgres_role() == "primary"; }

  /// What a coordinator left before the fence is nobody's concern until the next one comes.
  void clear_up() {
    // Not confirmed: it does no more than that, or has nothing to do.
    static_cast<void>(lockstep({kForward, shop_.file()}));
    REQUIRE(wait_until([&] { return finished(); }, 30s, 10ms));
  }

  void judge() {
    shop_.judge(writer_.stop());
    CHECK(sides_.both() == 0);
    CHECK(sides_.sqlite() > 0);
    CHECK(sides_.postgres() > 0);
    shop_.equal();
  }

 private:
  std::unique_ptr<Process> stopped_at(const Place& place, const Victims& who) {
    // Nobody applies the last change then.
    const bool in_vain = who.run && place.direction == kForward;
    std::vector<std::string> command{place.direction, shop_.file(),          "--confirm",   "shop",
                                     "--max-pause",   in_vain ? "1s" : "5s", "--when-ready"};
    command.insert(command.end(), {"--verify-max-age", "0"});
    auto coordinator = start_lockstep(command, {.environment = {failpoints(place)}});
    REQUIRE(
        wait_until([&] { return is_stopped(*coordinator) || !coordinator->running(); }, 30s, 2ms));
    INFO("coordinator: " << coordinator->output() << coordinator->error_output());
    REQUIRE(is_stopped(*coordinator));
    return coordinator;
  }
  /// One side writes, the other follows, and run has nothing to finish.
  [[nodiscard]] bool finished() const {
    return shop_.settled() && shop_.sqlite_decision() != "pending";
  }

  Shop shop_;
  MovingWriter writer_;
  OpenSides sides_;
};

using Cell = std::pair<Place, Victims>;

/// The cells of both directions in an order that needs few switches in between.
void strike_all(Matrix& matrix, const std::vector<Cell>& cells) {
  std::deque<Cell> forward, back;
  for (const Cell& cell : cells)
    (cell.first.direction == kForward ? forward : back).push_back(cell);
  while (!forward.empty() || !back.empty()) {
    const bool way_back = matrix.on_postgres() ? !back.empty() : forward.empty();
    auto& from = way_back ? back : forward;
    matrix.clear_up();
    matrix.go_to(way_back ? kBack : kForward);
    const auto [place, who] = from.front();
    from.pop_front();
    matrix.strike(place, who);
  }
  matrix.judge();
}

std::string page() {
  std::string text =
      "# Crashes in the middle of a switch\n\n"
      "Generated by `tests/system/switch_crash_test.cpp`: do not edit. Each column is who dies: "
      "the coordinator (`lockstep "
      "cutover` or `rollback`) is stopped at a step, a process dies\n(`kill -9`; of PostgreSQL the "
      "postmaster, which is started again), the coordinator goes on unless it died, `run` is "
      "started again if it died. An application\nwrites all the while and keeps a record, and "
      "somebody asks all the while whether both sides would take a write at once. In every cell: "
      "never both; one side is open\nafterwards by itself; every acknowledged write is there, "
      "once. "
      "CI takes a cell of every other row, by its seed; the soak takes all.\n\n"
      "*forward*: the writers have moved. *back*: they write where they did. *either*: without "
      "`run` the last change may not come within the budget.\n\n| | step ";
  for (const Victims& who : kVictims) text += fmt::format("| {} ", name(who));
  text += "|\n|---|---|" + [] {
    std::string dashes;
    for (std::size_t i = 0; i < kVictims.size(); ++i) dashes += "---|";
    return dashes;
  }() + "\n";
  for (const Place& place : kPlaces) {
    text += fmt::format("| {} | {} (`{}`) ", place.direction, place.what, place.failpoint);
    for (const Victims& who : kVictims) {
      const Outcomes allowed = outcomes(place, who);
      text += fmt::format("| {} ", allowed == Outcomes::forward ? "forward"
                                   : allowed == Outcomes::back  ? "back"
                                                                : "either");
    }
    text += "|\n";
  }
  return text;
}

}  // namespace

TEST_CASE("who asks whether both sides are open sees it when they are", "[system]") {
  Shop shop("planted");
  shop.moved(kForward);
  const OpenSides sides(shop.file(), shop.dsn());
  REQUIRE(wait_until([&] { return sides.postgres() > 3; }, 20s, 5ms));
  CHECK(sides.sqlite() == 0);
  CHECK(sides.both() == 0);
  sqlite(shop.file(), "UPDATE _lockstep_switch SET role = 'primary'");
  CHECK(wait_until([&] { return sides.both() > 0; }, 20s, 5ms));
}

TEST_CASE("the page of the crashes is what is tested", "[system]") {
  const std::string written = std::string(TEST_BUILD_DIR) + "/switchover.md";
  std::ofstream(written) << page();
  INFO("cp " << written << " " LOCKSTEP_SOURCE_DIR "/tests/switchover.md");
  CHECK(contents(LOCKSTEP_SOURCE_DIR "/tests/switchover.md") == page());
}

TEST_CASE("whoever dies at a step of a switch, one side is open afterwards and has everything",
          "[system]") {
  std::mt19937_64 dice(test_seed());
  std::vector<Cell> cells;
  for (std::size_t i = dice() % 2; i < kPlaces.size(); i += 2)
    cells.emplace_back(kPlaces[i], kVictims[dice() % kVictims.size()]);
  Matrix matrix("matrix");
  strike_all(matrix, cells);
}

TEST_CASE("whoever dies at whichever step of a switch: every pair", "[.][soak]") {
  std::vector<Cell> cells;
  for (const Place& place : kPlaces)
    for (const Victims& who : kVictims) cells.emplace_back(place, who);
  Matrix matrix("whole_matrix");
  strike_all(matrix, cells);
}

}  // namespace lockstep::test
