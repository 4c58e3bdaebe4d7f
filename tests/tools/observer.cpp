// lockstep-observer CONNINFO --until-stdin-closes [--schema S] [--migration M] [--commits FILE]
// [--looks-min N] [--repairs N]
//
// A reader of the target while lockstep follows a lockstep-writer into it. It judges lockstep and
// shares nothing with it: only libpq. Every millisecond it reads, in one statement, the ledger's
// position and, once the ledger says `consistent`, what the writer promises of every state: see
// lockstep-writer. A state that the source cannot have had, or one that goes back, is a violation.
// While the server is down it tries again. A repair of `lockstep verify` moves the position and
// makes no state of the writer's: that may be seen N times (none).
//
// When its input ends it prints one line of JSON. The lags, from --commits of the writer, are from
// just after each commit to the moment when its number or a higher one was first seen here. Exit: 0
// every state was right, 1 a violation, 2 trouble.
#include <libpq-fe.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

struct Finish {
  void operator()(PGconn* connection) const noexcept { PQfinish(connection); }
};
struct Clear {
  void operator()(PGresult* result) const noexcept { PQclear(result); }
};
using Connection = std::unique_ptr<PGconn, Finish>;
using Result = std::unique_ptr<PGresult, Clear>;

constexpr std::int64_t kMoney = 100'000;  // sum(accounts.balance) in a price database
constexpr std::int64_t kAccounts = 100;

struct Arguments {
  std::string conninfo;
  std::string schema = "public";
  std::string migration;  ///< empty: the only one
  std::string commits;
  std::uint64_t looks_min = 0;  ///< goes on until then, whatever the input does
  std::uint64_t repairs = 0;    ///< positions that may have the state of the one before
};

/// What one statement saw: the position, and the state that it stands for.
struct State {
  std::string era;
  std::int64_t seq = 0;
  std::int64_t identity = 0;
  // The counter's row, and what the other tables really hold.
  std::int64_t n = 0, entries = 0, entry_sum = 0, account_sum = 0, volume = 0, newest_day = 0;
  std::int64_t money = 0, accounts = 0, real_account_sum = 0, real_entries = 0, real_entry_sum = 0,
               newest_entry = 0, real_volume = 0, real_newest_day = 0;
};

std::int64_t wall_now_us() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1'000'000 + now.tv_nsec / 1'000;
}

/// Reads the target, whatever happens to the server.
class Reader {
 public:
  explicit Reader(const Arguments& arguments) : arguments_(arguments) {}

  enum class Seen { state, not_consistent, nothing };
  Seen read(State& state) {
    if (!ready()) return Seen::nothing;
    const Result result{
        PQexecPrepared(connection_.get(), "state", 0, nullptr, nullptr, nullptr, 0)};
    if (PQresultStatus(result.get()) != PGRES_TUPLES_OK) {
      connection_.reset();
      return Seen::nothing;
    }
    if (PQntuples(result.get()) == 0) return Seen::nothing;
    if (PQgetisnull(result.get(), 0, 3) != 0) return Seen::not_consistent;
    state.era = PQgetvalue(result.get(), 0, 0);
    state.seq = std::stoll(PQgetvalue(result.get(), 0, 1));
    state.identity = std::stoll(PQgetvalue(result.get(), 0, 2));
    std::istringstream numbers{PQgetvalue(result.get(), 0, 3)};
    for (std::int64_t State::*member :
         {&State::n, &State::entries, &State::entry_sum, &State::account_sum, &State::volume,
          &State::money, &State::accounts, &State::real_account_sum, &State::real_entries,
          &State::real_entry_sum, &State::newest_entry, &State::real_volume, &State::newest_day,
          &State::real_newest_day})
      if (!(numbers >> state.*member)) throw std::runtime_error("odd answer: " + numbers.str());
    tell_that_it_looked();
    return Seen::state;
  }

  [[nodiscard]] std::uint64_t connections() const { return connections_; }

 private:
  bool ready() {
    if (connection_) return true;
    Connection fresh{PQconnectdb((arguments_.conninfo).c_str())};
    if (PQstatus(fresh.get()) != CONNECTION_OK) return false;
    PQsetNoticeProcessor(
        fresh.get(), [](void*, const char*) {}, nullptr);
    const Result prepared{PQprepare(fresh.get(), "state", sql(fresh.get()).c_str(), 0, nullptr)};
    // The ledger or the tables are not there yet.
    if (PQresultStatus(prepared.get()) != PGRES_COMMAND_OK) return false;
    connection_ = std::move(fresh);
    ++connections_;
    return true;
  }

  // Whoever changes the target between two looks can see that the first one is over.
  void tell_that_it_looked() {
    if (std::exchange(told_, true)) return;
    const Result told{PQexec(connection_.get(), "SET application_name = 'observer, has looked'")};
  }

  static std::string quoted(PGconn* connection, const std::string& text, bool identifier) {
    char* escaped = identifier ? PQescapeIdentifier(connection, text.data(), text.size())
                               : PQescapeLiteral(connection, text.data(), text.size());
    if (escaped == nullptr) throw std::runtime_error(PQerrorMessage(connection));
    std::string copy = escaped;
    PQfreemem(escaped);
    return copy;
  }

  // One statement is one snapshot; the sub-select runs only for a consistent ledger.
  std::string sql(PGconn* connection) const {
    const std::string schema = quoted(connection, arguments_.schema, true);
    const std::string which =
        arguments_.migration.empty()
            ? ""
            : " WHERE l.migration = " + quoted(connection, arguments_.migration, false);
    return "SELECT l.era, l.seq, l.identity, CASE WHEN l.consistent THEN (SELECT concat_ws(' ', "
           "c.n, c.entries, c.entry_sum, c.account_sum, coalesce(c.volume, -1), a.money, "
           "a.accounts, a.weighed, e.entries, e.entry_sum, e.newest, coalesce((SELECT d.volume "
           "FROM " +
           schema +
           ".ohlcv_data AS d WHERE d.id = c.day), -1), coalesce(c.newest_day, b.newest), b.newest) "
           "FROM " +
           schema + ".counter AS c, (SELECT coalesce(max(id), -1) AS newest FROM " + schema +
           ".ohlcv_data) AS b, (SELECT coalesce(sum(balance), 0) AS money, count(*) AS accounts, "
           "coalesce(sum(id * balance), 0) AS weighed FROM " +
           schema +
           ".accounts) AS a, (SELECT count(*) AS entries, coalesce(sum(n), 0) AS entry_sum, "
           "coalesce(max(n), 0) AS newest FROM " +
           schema + ".ledger_entries) AS e) END FROM lockstep.ledger AS l" + which +
           " ORDER BY l.migration LIMIT 1";
  }

  Arguments arguments_;
  Connection connection_;
  std::uint64_t connections_ = 0;
  bool told_ = false;
};

/// Judges states, each alone and after the one before it.
class Judge {
 public:
  explicit Judge(std::uint64_t repairs) : repairs_left_(repairs) {}
  void look(const State& state) {
    ++observations_;
    check_alone(state);
    if (last_) check_after(*last_, state);
    if (!last_ || state.n > last_->n) seen_.emplace_back(state.n, wall_now_us());
    if (!last_ || state.seq != last_->seq) ++states_;
    last_ = state;
  }
  void not_consistent() { require(!last_, "the ledger no longer says consistent"); }

  [[nodiscard]] std::uint64_t violations() const { return violations_; }
  [[nodiscard]] std::uint64_t observations() const { return observations_; }
  [[nodiscard]] std::uint64_t states() const { return states_; }
  [[nodiscard]] std::int64_t last_n() const { return last_ ? last_->n : -1; }
  [[nodiscard]] const std::string& first_violation() const { return first_violation_; }
  /// Numbers of states, rising, each with the moment when it was first seen.
  [[nodiscard]] const std::vector<std::pair<std::int64_t, std::int64_t>>& seen() const {
    return seen_;
  }

 private:
  void check_alone(const State& s) {
    same(s, "sum of balances", s.money, kMoney);
    same(s, "number of accounts", s.accounts, kAccounts);
    same(s, "sum of id * balance", s.real_account_sum, s.account_sum);
    same(s, "number of ledger entries", s.real_entries, s.entries);
    same(s, "sum of the ledger entries' n", s.real_entry_sum, s.entry_sum);
    same(s, "volume of the counter's day", s.real_volume, s.volume);
    same(s, "newest day", s.real_newest_day, s.newest_day);
    require(s.newest_entry <= s.n, at(s) + "ledger entry " + std::to_string(s.newest_entry) +
                                       " is newer than n " + std::to_string(s.n));
  }

  // Each transaction of the writer makes a new n, so position and n move together or not at all.
  void check_after(const State& before, const State& now) {
    const std::string moved = at(now) + "after seq " + std::to_string(before.seq) + " with n " +
                              std::to_string(before.n) + " came n " + std::to_string(now.n);
    require(now.n >= before.n, moved + ": n went back");
    require(now.era == before.era, moved + ": the era changed");
    require(now.seq >= before.seq, moved + ": the position went back");
    if (now.seq == before.seq) {
      require(now.identity == before.identity, moved + ": one seq, two identities");
      require(now.n == before.n, moved + ": one position, two states");
    }
    if (now.seq <= before.seq || now.n > before.n) return;
    if (now.n == before.n && repairs_left_ > 0)
      --repairs_left_;
    else
      violation(moved + ": two positions, one state");
  }

  static std::string at(const State& s) { return "at seq " + std::to_string(s.seq) + ": "; }
  void same(const State& s, const char* what, std::int64_t real, std::int64_t promised) {
    if (real != promised)
      violation(at(s) + what + " is " + std::to_string(real) + ", must be " +
                std::to_string(promised));
  }
  void require(bool holds, const std::string& otherwise) {
    if (!holds) violation(otherwise);
  }
  void violation(const std::string& text) {
    if (violations_++ == 0) first_violation_ = text;
  }

  std::uint64_t repairs_left_;
  std::optional<State> last_;
  std::uint64_t observations_ = 0;
  std::uint64_t states_ = 0;
  std::uint64_t violations_ = 0;
  std::string first_violation_;
  std::vector<std::pair<std::int64_t, std::int64_t>> seen_;
};

/// For every commit that was seen here, how many microseconds later; sorted.
std::vector<std::int64_t> lags(const Judge& judge, const std::string& path) {
  std::vector<std::int64_t> found;
  if (path.empty() || judge.seen().empty()) return found;
  std::ifstream file{path, std::ios::binary};
  if (!file) throw std::runtime_error("cannot read " + path);
  std::array<std::int64_t, 2> commit{};
  const auto& seen = judge.seen();
  while (file.read(reinterpret_cast<char*>(commit.data()), sizeof commit)) {
    const auto first =
        std::lower_bound(seen.begin(), seen.end(), commit[0],
                         [](const auto& state, std::int64_t n) { return state.first < n; });
    // What was there before the first look cannot be timed.
    if (first == seen.end() || commit[0] <= seen.front().first) continue;
    found.push_back(std::max<std::int64_t>(0, first->second - commit[1]));
  }
  std::sort(found.begin(), found.end());
  return found;
}

void print(const Judge& judge, const Reader& reader, const std::vector<std::int64_t>& lags_us) {
  const auto milliseconds = [&](std::size_t percent) {
    if (lags_us.empty()) return 0.0;
    const std::size_t place = std::min(lags_us.size() * percent / 100, lags_us.size() - 1);
    return static_cast<double>(lags_us[place]) / 1'000;
  };
  std::printf(
      "{\"observations\":%llu,\"violations\":%llu,\"first_violation\":\"%s\",\"states\":%llu,"
      "\"last_n\":%lld,\"connections\":%llu,\"lags\":%zu,\"lag_p50_ms\":%.3f,\"lag_p99_ms\":%.3f,"
      "\"lag_max_ms\":%.3f}\n",
      static_cast<unsigned long long>(judge.observations()),
      static_cast<unsigned long long>(judge.violations()), judge.first_violation().c_str(),
      static_cast<unsigned long long>(judge.states()), static_cast<long long>(judge.last_n()),
      static_cast<unsigned long long>(reader.connections()), lags_us.size(), milliseconds(50),
      milliseconds(99), milliseconds(100));
}

/// Waits; false once the input has ended.
bool go_on(std::chrono::milliseconds patience) {
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  if (poll(&input, 1, static_cast<int>(patience.count())) <= 0) return true;
  std::array<char, 256> ignored{};
  return read(STDIN_FILENO, ignored.data(), ignored.size()) > 0;
}

Arguments parse(const std::vector<std::string>& words) {
  Arguments arguments;
  bool until_stdin_closes = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--until-stdin-closes") {
      until_stdin_closes = true;
      continue;
    }
    if (!word.starts_with("--")) {
      if (!arguments.conninfo.empty()) throw std::invalid_argument("one CONNINFO only");
      arguments.conninfo = word;
      continue;
    }
    if (i + 1 == words.size()) throw std::invalid_argument(word + " needs a value");
    const std::string& value = words[++i];
    if (word == "--schema")
      arguments.schema = value;
    else if (word == "--migration")
      arguments.migration = value;
    else if (word == "--commits")
      arguments.commits = value;
    else if (word == "--looks-min")
      arguments.looks_min = std::stoull(value);
    else if (word == "--repairs")
      arguments.repairs = std::stoull(value);
    else
      throw std::invalid_argument("unknown option " + word);
  }
  if (arguments.conninfo.empty() || !until_stdin_closes)
    throw std::invalid_argument(
        "usage: lockstep-observer CONNINFO --until-stdin-closes [--schema S] [--migration M] "
        "[--commits FILE] [--looks-min N] [--repairs N]");
  return arguments;
}

}  // namespace

int main(int count, char** words) {
  try {
    const Arguments arguments = parse({words + 1, words + count});
    Reader reader{arguments};
    Judge judge(arguments.repairs);
    State state;
    const auto look = [&] {
      const Reader::Seen seen = reader.read(state);
      if (seen == Reader::Seen::state) judge.look(state);
      if (seen == Reader::Seen::not_consistent) judge.not_consistent();
      return seen == Reader::Seen::nothing ? 10ms : 1ms;
    };
    auto pause = 1ms;
    while (go_on(pause)) pause = look();
    // A busy machine may have left it no time beside what it was to observe.
    while (judge.observations() < arguments.looks_min) {
      std::this_thread::sleep_for(pause);
      pause = look();
    }
    look();  // what was there when the input ended has been seen
    print(judge, reader, lags(judge, arguments.commits));
    return judge.violations() == 0 ? 0 : 1;
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "lockstep-observer: %s\n", failure.what());
    return 2;
  }
}
