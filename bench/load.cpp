// bench-load sqlite FILE | postgres CONNINFO  (--seconds S | --transactions N |
// --until-stdin-closes)
//            [--rate TPS] [--rows N] [--kind tick|update|range|hot|mixed] [--sync normal|full]
//            [--spin]
//            [--commits FILE] [--seed N]
// bench-load move FILE CONNINFO --until-stdin-closes [--rate TPS]
// bench-load watch CONNINFO --commits FILE
//
// The application of the bench, on a price database with a table ticks(n, at_us); the same changes
// on either engine. tick: rows of growing n; update: any row of ohlcv_data; range: rows in a row
// from any place on; hot: one of its first 1,000; mixed: 60 % updates, 20 % inserts, 20 % deletes.
// --rows: so many in a transaction. --rate 0: as fast as it can. --spin: asks a busy SQLite every
// 20 us, and reports how long others held it. --commits: 16 bytes per transaction, n and
// CLOCK_REALTIME in us just after its commit.
//
// move: ticks, on SQLite until that is refused, then on PostgreSQL until that is, and so on; what
// it reports is how long no write was taken, for each turn, and how many were.
//
// watch: looks every 0.5 ms for the highest n in ticks, and when its input ends (and the last
// commit was seen, or 60 s have gone) says how much later than its commit each n was visible.
//
// One line of JSON; times in microseconds. Exit: 0, or 2 for trouble.
#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <exception>
#include <fstream>
#include <thread>

#include "bench/load.hpp"

namespace load {
namespace {

using namespace std::chrono_literals;

struct Arguments {
  std::vector<std::string> words;  ///< mode, and what it is about
  std::string kind = "tick", sync = "normal", commits;
  double seconds = 1e8, rate = 0;
  std::int64_t transactions = INT64_MAX, rows = 1;
  std::uint64_t seed = 1;
  bool spin = false, until_stdin_closes = false;
};

std::int64_t wall_us() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1'000'000 + now.tv_nsec / 1'000;
}

/// True once the input has ended; waits for that at most `patience`.
bool input_ended(std::chrono::milliseconds patience = 0ms) {
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  if (poll(&input, 1, static_cast<int>(patience.count())) <= 0) return false;
  std::array<char, 64> ignored{};
  return read(STDIN_FILENO, ignored.data(), ignored.size()) <= 0;
}

std::string spread(const char* name, std::vector<std::int64_t> values) {
  std::sort(values.begin(), values.end());
  const auto at = [&](std::size_t permille) -> long long {
    if (values.empty()) return 0;
    return values[std::min(values.size() * permille / 1'000, values.size() - 1)];
  };
  std::array<char, 256> text{};
  std::snprintf(text.data(), text.size(),
                "\"%s\":{\"count\":%zu,\"p50\":%lld,\"p99\":%lld,\"p999\":%lld,\"max\":%lld}", name,
                values.size(), at(500), at(990), at(999), at(1'000));
  return text.data();
}

class Work {
 public:
  Work(Side& side, const Arguments& arguments)
      : kind_(arguments.kind),
        rows_(arguments.rows),
        random_(arguments.seed),
        n_(side.number(kNewest)) {
    if (kind_ == "tick") return;
    days_ = side.number("SELECT max(id) FROM ohlcv_data");
    next_day_ = days_;
  }
  Change next() {
    if (kind_ == "tick") return {kTick, ++n_, wall_us()};
    if (kind_ == "hot")
      return {kUpdate, random_.between(1, std::min<std::int64_t>(days_, 1'000)), 1};
    if (kind_ == "range") {
      if (left_-- <= 0) {
        left_ = rows_ - 1;
        place_ = random_.between(0, days_ - 1);
      }
      return {kUpdate, place_++ % days_ + 1, 1};
    }
    const std::int64_t dice = kind_ == "mixed" ? random_.between(1, 10) : 1;
    if (dice > 8) return {kDelete, random_.between(1, days_), 0};
    if (dice > 6) {
      ++next_day_;
      return {kInsert, next_day_, next_day_};
    }
    return {kUpdate, random_.between(1, days_), 1};
  }
  [[nodiscard]] std::int64_t n() const { return n_; }

  static constexpr const char* kNewest = "SELECT coalesce(max(n), 0) FROM ticks";

 private:
  std::string kind_;
  std::int64_t rows_, left_ = 0, place_ = 0;
  Random random_;
  std::int64_t n_, days_ = 0, next_day_ = 0;
};

int write_load(const Arguments& arguments, Side& side) {
  const int commits = arguments.commits.empty()
                          ? -1
                          : open(arguments.commits.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
  if (!arguments.commits.empty() && commits < 0) throw std::runtime_error("open --commits");
  Work work{side, arguments};
  std::vector<std::int64_t> took_us;
  std::vector<Change> transaction(static_cast<std::size_t>(arguments.rows));
  const auto start = Clock::now();
  const auto end = start + std::chrono::duration_cast<Clock::duration>(
                               std::chrono::duration<double>(arguments.seconds));
  std::int64_t count = 0;
  for (auto began = start; count < arguments.transactions && began < end; began = Clock::now()) {
    if (arguments.until_stdin_closes && (count & 15) == 0 && input_ended()) break;
    for (Change& change : transaction) change = work.next();
    if (!side.write(transaction)) throw std::runtime_error("refused by a fence");
    ++count;
    took_us.push_back(
        std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began).count());
    const std::array<std::int64_t, 2> record{work.n(), wall_us()};
    if (commits >= 0 && ::write(commits, record.data(), sizeof record) != sizeof record)
      throw std::runtime_error("write --commits");
    if (arguments.rate > 0)
      std::this_thread::sleep_until(
          start + std::chrono::duration_cast<Clock::duration>(
                      std::chrono::duration<double>(static_cast<double>(count) / arguments.rate)));
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  if (commits >= 0) close(commits);
  const auto* sqlite = dynamic_cast<const SqliteSide*>(&side);
  std::printf(
      "{\"transactions\":%lld,\"rows\":%lld,\"seconds\":%.6f,\"n\":%lld,%s,%s}\n",
      static_cast<long long>(count), static_cast<long long>(count * arguments.rows), seconds,
      static_cast<long long>(work.n()), spread("took", took_us).c_str(),
      spread("held", sqlite == nullptr ? std::vector<std::int64_t>{} : sqlite->holds_us()).c_str());
  return 0;
}

int move_between(const Arguments& arguments) {
  SqliteSide sqlite{arguments.words.at(1), arguments.sync, false};
  PostgresSide postgres{arguments.words.at(2)};
  bool on_postgres = false;
  std::int64_t n = sqlite.number(Work::kNewest), taken = 0;
  std::vector<std::int64_t> gaps_us;
  auto last = Clock::now(), next = last;
  const auto pause = std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double>(1 / std::max(arguments.rate, 1.0)));
  while (!input_ended()) {
    const std::vector<Change> tick{{kTick, n + 1, wall_us()}};
    bool turned = false, done = false;
    while (!(done = on_postgres ? postgres.write(tick) : sqlite.write(tick))) {
      if (turned) std::this_thread::sleep_for(1ms);
      if (turned && input_ended()) break;
      on_postgres = !on_postgres;
      turned = true;
    }
    if (!done) break;
    const auto now = Clock::now();
    if (turned)
      gaps_us.push_back(std::chrono::duration_cast<std::chrono::microseconds>(now - last).count());
    last = now;
    ++n;
    ++taken;
    next = std::max(next + pause, now);
    std::this_thread::sleep_until(next);
  }
  std::printf("{\"transactions\":%lld,\"n\":%lld,%s}\n", static_cast<long long>(taken),
              static_cast<long long>(n), spread("gap", gaps_us).c_str());
  return 0;
}

int watch(const Arguments& arguments) {
  PostgresSide target{arguments.words.at(1)};
  std::vector<std::pair<std::int64_t, std::int64_t>> seen;  // n, when
  const auto look = [&] {
    const std::int64_t n = target.number(Work::kNewest);
    const std::int64_t now = wall_us();
    if (seen.empty() || n > seen.back().first) seen.emplace_back(n, now);
    return n;
  };
  look();
  std::puts("{\"watching\":true}");
  std::fflush(stdout);
  while (!input_ended()) {
    look();
    std::this_thread::sleep_for(500us);
  }
  std::vector<std::array<std::int64_t, 2>> commits;
  std::ifstream file{arguments.commits, std::ios::binary};
  std::array<std::int64_t, 2> commit{};
  while (file.read(reinterpret_cast<char*>(commit.data()), sizeof commit))
    commits.push_back(commit);
  const auto limit = Clock::now() + 60s;
  while (!commits.empty() && look() < commits.back()[0] && Clock::now() < limit)
    std::this_thread::sleep_for(500us);
  std::vector<std::int64_t> lags_us;
  for (const auto& [n, at] : commits) {
    const auto first =
        std::lower_bound(seen.begin(), seen.end(), n,
                         [](const auto& one, auto sought) { return one.first < sought; });
    if (first != seen.end()) lags_us.push_back(std::max<std::int64_t>(0, first->second - at));
  }
  const std::int64_t last = lags_us.empty() ? 0 : lags_us.back();
  std::printf("{\"commits\":%zu,\"seen\":%zu,\"last_lag\":%lld,%s}\n", commits.size(),
              lags_us.size(), static_cast<long long>(last), spread("lag", lags_us).c_str());
  return 0;
}

Arguments parse(const std::vector<std::string>& words) {
  Arguments arguments;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (!word.starts_with("--")) {
      arguments.words.push_back(word);
      continue;
    }
    if (word == "--spin" || word == "--until-stdin-closes") {
      (word == "--spin" ? arguments.spin : arguments.until_stdin_closes) = true;
      continue;
    }
    if (i + 1 == words.size()) throw std::invalid_argument(word + " needs a value");
    const std::string& value = words[++i];
    if (word == "--kind")
      arguments.kind = value;
    else if (word == "--sync")
      arguments.sync = value;
    else if (word == "--commits")
      arguments.commits = value;
    else if (word == "--seconds")
      arguments.seconds = std::stod(value);
    else if (word == "--rate")
      arguments.rate = std::stod(value);
    else if (word == "--transactions")
      arguments.transactions = std::stoll(value);
    else if (word == "--rows")
      arguments.rows = std::stoll(value);
    else if (word == "--seed")
      arguments.seed = std::stoull(value);
    else
      throw std::invalid_argument("unknown option " + word);
  }
  if (arguments.words.size() < 2 || arguments.rows < 1)
    throw std::invalid_argument("the head of bench/load.cpp says how to use it");
  return arguments;
}

int run(const Arguments& arguments) {
  const std::string& mode = arguments.words[0];
  if (mode == "watch") return watch(arguments);
  if (mode == "move") return move_between(arguments);
  if (mode == "postgres") {
    PostgresSide side{arguments.words[1]};
    return write_load(arguments, side);
  }
  if (mode != "sqlite") throw std::invalid_argument("unknown mode " + mode);
  SqliteSide side{arguments.words[1], arguments.sync, arguments.spin};
  return write_load(arguments, side);
}

}  // namespace
}  // namespace load

int main(int count, char** words) {
  try {
    return load::run(load::parse({words + 1, words + count}));
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "bench-load: %s\n", failure.what());
    return 2;
  }
}
