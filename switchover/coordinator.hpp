// Leads a cutover or a rollback, and finishes what another one left unfinished. Any number of
// coordinators may run, stop or die: whatever one does is a compare-and-set on one of the two rows,
// and the gainer's row alone decides. Protocol: README.md; model: tests/model/cutover.pml.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "link/postgres/connection.hpp"
#include "link/sqlite/database.hpp"
#include "model/clock.hpp"
#include "model/shape.hpp"
#include "switchover/pause.hpp"
#include "switchover/postgres_side.hpp"
#include "switchover/reverse_feed.hpp"
#include "switchover/sequences.hpp"
#include "switchover/state.hpp"

namespace lockstep::switchover {

struct SwitchPlace {
  std::string path;  ///< of the SQLite file
  postgres::Dsn dsn;
  std::string migration, schema;
};

/// A step that is done, for people: FENCE, "write lock taken after 4 ms".
using TellStep = std::function<void(std::string_view step, const std::string& what)>;

/// Asked before a cutover: true once the schema that SQLite has now is on PostgreSQL, with its
/// rows.
using SchemaArrived = std::function<bool()>;

struct Switched {
  Direction direction = Direction::forward;
  std::int64_t attempt = 0;
  /// From the moment that no writer could go on until the gainer was open; nothing: not measured,
  /// for it was finished after an error.
  std::optional<double> pause_ms;
};

/// One thread. Holds a connection to each side.
class Coordinator {
 public:
  Coordinator(SwitchPlace place, TellStep tell);
  ~Coordinator();
  Coordinator(const Coordinator&) = delete;
  Coordinator& operator=(const Coordinator&) = delete;

  [[nodiscard]] Sides look();
  /// The role of the side that `direction` takes the writers from. Reads no other: SQLite may be
  /// locked by others, and a rollback has nothing to ask it.
  [[nodiscard]] Role role_of_loser(Direction direction);
  /// True: nobody else leads one now (or who does has lost its connection). Only a hint, so that
  /// two do not get into each other's way; whoever goes on without it does no harm.
  [[nodiscard]] bool take_the_lead();

  /// 0: whatever a switch needs on both sides, before anybody waits. Repeatable. Returns tables of
  /// SQLite that cannot be fenced. Throws LS-X664 if SQLite is the replica and had lost its fence,
  /// which is whole again: a comparison is owed then.
  std::vector<std::string> install();

  /// Throws LS-X617 (exit 7) if no attempt explains what the two sides say: at_odds().
  void require_agreement();

  /// Finishes what is unfinished, whoever began it: commits if both sides allow it within
  /// `patience`, else aborts. Afterwards one side is open, or it throws LS-X617. Repeatable.
  void finish(Milliseconds patience);

  /// Moves the writers, after install(). Throws LS-X604 (exit 6) if the budget does not last,
  /// LS-X668 (exit 3) if SQLite's schema moves at the last moment: then nothing has changed, and
  /// everything goes on as before. Throws LS-X607 (exit 8) if another coordinator was faster. A
  /// lost connection to PostgreSQL throws with Retry::new_session: if the loser is fenced by then,
  /// finish() has to be called until it returns.
  Switched move_writers(Direction direction, Milliseconds max_pause, const SchemaArrived& arrived);

  [[nodiscard]] postgres::Connection& postgres() { return *postgres_; }
  [[nodiscard]] sqlite::Database& sqlite() { return *sqlite_; }
  [[nodiscard]] const SwitchPlace& place() const { return place_; }

 private:
  std::int64_t come_near(const Era& era, Milliseconds max_pause, const SchemaArrived& arrived);
  void cut_over(std::int64_t attempt, Pause& pause, const SchemaArrived& arrived);
  void roll_back(std::int64_t attempt, Pause& pause);
  template <class Work>
  void answering_within(const Pause& pause, const Work& work);
  void give_up(Direction direction, std::int64_t attempt) noexcept;
  [[nodiscard]] bool abort(Direction direction, std::int64_t attempt);
  void count_slowly();
  [[nodiscard]] bool try_commit(const Unfinished& what, Milliseconds patience);
  void hand_over(const Unfinished& what);
  [[nodiscard]] std::vector<std::string> fence_sqlite();
  void connect();
  void read_plans();
  [[nodiscard]] ReverseFeed feed();

  SwitchPlace place_;
  TellStep tell_;
  std::optional<postgres::Connection> postgres_;
  std::optional<sqlite::Database> sqlite_;
  // The reverse feed's own two, for rollbacks: the first is in a transaction while writers are
  // held.
  std::optional<postgres::Connection> feeding_;
  std::optional<sqlite::Database> writing_;
  std::vector<TablePlan> plans_;
  std::string installed_mark_;  // tables_mark() of what install() has seen
  std::vector<Numbered> numbered_;
  std::int64_t whole_at_ = -1;  // SQLite's schema_version at which nothing was owed
};

}  // namespace lockstep::switchover
