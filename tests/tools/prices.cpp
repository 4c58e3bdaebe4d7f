// lockstep-prices FILE [--tickers 18661] [--rows 926325] [--seed 1] [--scale 1]
//
// Makes a database of daily prices like the ones stock screeners keep, always the same for the same
// arguments, with the small tables that lockstep-writer uses. FILE must not exist.
#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tests/tools/random.hpp"

namespace {

constexpr const char* kSchema = R"sql(
CREATE TABLE tickers(
  ticker TEXT NOT NULL, region TEXT NOT NULL, name TEXT, exchange TEXT, asset_type TEXT NOT NULL,
  listing_date TEXT, is_active INTEGER NOT NULL DEFAULT 1, last_updated TEXT,
  PRIMARY KEY (ticker, region));
CREATE TABLE ohlcv_data(
  id INTEGER PRIMARY KEY AUTOINCREMENT, ticker TEXT NOT NULL, region TEXT NOT NULL, timeframe TEXT NOT NULL,
  date TEXT NOT NULL, open REAL, high REAL, low REAL, close REAL, volume INTEGER, created_at TEXT,
  UNIQUE (ticker, region, date, timeframe));
CREATE TABLE accounts(id INTEGER PRIMARY KEY, owner TEXT NOT NULL UNIQUE, balance INTEGER NOT NULL);
CREATE TABLE counter(
  id INTEGER PRIMARY KEY CHECK (id = 1), n INTEGER NOT NULL, entries INTEGER NOT NULL,
  entry_sum INTEGER NOT NULL, account_sum INTEGER NOT NULL, day INTEGER, volume INTEGER,
  newest_day INTEGER);
CREATE TABLE ledger_entries(id INTEGER PRIMARY KEY AUTOINCREMENT, n INTEGER NOT NULL, note TEXT);
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 100)
INSERT INTO accounts SELECT n, printf('owner-%03d', n), 1000 FROM numbers;
INSERT INTO counter SELECT 1, 0, 0, 0, sum(id * balance), NULL, NULL, NULL FROM accounts;
)sql";

using tools::Random;

struct Region {
  std::string_view code;
  std::string_view exchange;
  int share;                           ///< of 100 tickers
  int digits;                          ///< of a numeric ticker; 0: letters
  double price_step;                   ///< prices are whole multiples of this
  std::int64_t price_low, price_high;  ///< of a first day, in steps
  std::array<std::string_view, 4> names;
};

constexpr std::array<Region, 6> kRegions{{
    {"KR",
     "KOSPI",
     15,
     6,
     0.01,
     100'000,
     30'000'000,
     {"삼성전자", "카카오", "한국전력공사", "LG화학"}},
    {"US",
     "NASDAQ",
     40,
     0,
     0.0001,
     5'000,
     5'000'000,
     {"Holdings Inc.", "Energy Corp", "Bancorp", "Brøndum & Sons"}},
    {"CN", "SSE", 20, 6, 0.01, 150, 200'000, {"贵州茅台", "中国平安", "比亚迪", "招商银行"}},
    {"HK", "HKEX", 10, 5, 0.001, 50, 500'000, {"騰訊控股", "長和", "香港交易所", "友邦保險"}},
    {"JP",
     "TSE",
     12,
     4,
     0.1,
     1'000,
     600'000,
     {"トヨタ自動車", "ソニーグループ", "任天堂", "三菱ＵＦＪ"}},
    {"VN",
     "HOSE",
     3,
     0,
     0.01,
     100,
     20'000,
     {"Công ty Cổ phần Sữa", "Ngân hàng Á Châu", "Hòa Phát", "Đất Xanh 🏗"}},
}};

struct Arguments {
  std::string file;
  std::int64_t tickers = 18'661;
  std::int64_t rows = 926'325;
  std::uint64_t seed = 1;
};

struct Ticker {
  std::string code;
  const Region* region;
  std::int64_t weight;
};

struct CloseDatabase {
  void operator()(sqlite3* handle) const noexcept { sqlite3_close(handle); }
};
struct Finalize {
  void operator()(sqlite3_stmt* handle) const noexcept { sqlite3_finalize(handle); }
};

class Database {
 public:
  explicit Database(const std::string& path) {
    sqlite3* handle = nullptr;
    const int code = sqlite3_open(path.c_str(), &handle);
    handle_.reset(handle);
    require(code == SQLITE_OK);
  }
  void run(const char* sql) {
    require(sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr) == SQLITE_OK);
  }
  void require(bool fine) {
    if (!fine) throw std::runtime_error(std::string("SQLite: ") + sqlite3_errmsg(handle_.get()));
  }
  [[nodiscard]] sqlite3* get() const { return handle_.get(); }

 private:
  std::unique_ptr<sqlite3, CloseDatabase> handle_;
};

/// An INSERT that is bound column by column. Text must live until put().
class Insert {
 public:
  Insert(Database& database, const char* sql) : database_(database) {
    sqlite3_stmt* handle = nullptr;
    const int code = sqlite3_prepare_v2(database.get(), sql, -1, &handle, nullptr);
    statement_.reset(handle);
    database.require(code == SQLITE_OK);
  }
  Insert& text(std::string_view value) {
    sqlite3_bind_text(statement_.get(), ++column_, value.data(), static_cast<int>(value.size()),
                      SQLITE_STATIC);
    return *this;
  }
  Insert& integer(std::int64_t value) {
    sqlite3_bind_int64(statement_.get(), ++column_, value);
    return *this;
  }
  Insert& real(double value) {
    sqlite3_bind_double(statement_.get(), ++column_, value);
    return *this;
  }
  Insert& null() {
    sqlite3_bind_null(statement_.get(), ++column_);
    return *this;
  }
  void put() {
    database_.require(sqlite3_step(statement_.get()) == SQLITE_DONE);
    sqlite3_reset(statement_.get());
    column_ = 0;
  }

 private:
  Database& database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int column_ = 0;
};

/// The `index`-th weekday from Monday, 2010-01-04.
std::string weekday(std::int64_t index) {
  std::int64_t days =
      14'613 + index / 5 * 7 + index % 5;  // since 1970-01-01; then Hinnant's civil_from_days
  days += 719'468;
  const std::int64_t era = days / 146'097;
  const std::int64_t day_of_era = days % 146'097;
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const std::int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t month_index = (5 * day_of_year + 2) / 153;
  const auto day = static_cast<int>(day_of_year - (153 * month_index + 2) / 5 + 1);
  const auto month = static_cast<int>(month_index < 10 ? month_index + 3 : month_index - 9);
  const auto year = static_cast<int>(year_of_era + era * 400 + (month <= 2 ? 1 : 0));
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02d-%02d", year, month, day);
  return text.data();
}

std::vector<Ticker> make_tickers(std::int64_t count, Random& random) {
  std::vector<Ticker> tickers;
  std::array<std::int64_t, kRegions.size()> next{};
  for (std::int64_t i = 0; i < count; ++i) {
    std::size_t place = 0;
    for (std::int64_t share = i % 100; share >= kRegions[place].share; ++place)
      share -= kRegions[place].share;
    std::int64_t number = ++next[place];
    std::string code;
    for (int digit = 0; digit < kRegions[place].digits; ++digit, number /= 10)
      code.insert(code.begin(), static_cast<char>('0' + number % 10));
    for (; number > 0; number = (number - 1) / 26)  // letters, or the digits that did not fit
      code.insert(code.begin(), static_cast<char>('A' + (number - 1) % 26));
    // One in twenty is an old, busy paper with a long history.
    const std::int64_t weight =
        random.one_in(20) ? random.between(200, 900) : random.between(1, 30);
    tickers.push_back({code, &kRegions[place], weight});
  }
  std::sort(tickers.begin(), tickers.end(), [](const Ticker& a, const Ticker& b) {
    return a.code != b.code ? a.code < b.code : a.region->code < b.region->code;
  });
  return tickers;
}

/// How many days each ticker has: by weight, exactly `rows` in all.
std::vector<std::int64_t> share_out(const std::vector<Ticker>& tickers, std::int64_t rows) {
  std::int64_t weights = 0;
  for (const Ticker& ticker : tickers) weights += ticker.weight;
  std::vector<std::int64_t> days;
  std::int64_t seen = 0;
  std::int64_t given = 0;
  for (const Ticker& ticker : tickers) {
    seen += ticker.weight;
    const std::int64_t due =
        static_cast<std::int64_t>(static_cast<long double>(rows) * static_cast<long double>(seen) /
                                  static_cast<long double>(weights));
    days.push_back(due - given);
    given = due;
  }
  return days;
}

class Builder {
 public:
  Builder(Database& database, std::uint64_t seed)
      : random_(seed),
        ticker_(database, "INSERT INTO tickers VALUES (?,?,?,?,?,?,?,?)"),
        day_(database,
             "INSERT INTO ohlcv_data(ticker, region, timeframe, date, open, high, low, close, "
             "volume, created_at) "
             "VALUES (?,?,'D',?,?,?,?,?,?,?)") {}

  void build(std::int64_t tickers, std::int64_t rows) {
    const std::vector<Ticker> all = make_tickers(tickers, random_);
    const std::vector<std::int64_t> days = share_out(all, rows);
    const std::int64_t longest = days.empty() ? 0 : *std::max_element(days.begin(), days.end());
    calendar_.reserve(static_cast<std::size_t>(longest + kSpread));
    for (std::int64_t day = 0; day < longest + kSpread; ++day) calendar_.push_back(weekday(day));
    for (std::size_t i = 0; i < all.size(); ++i) {
      add_ticker(all[i]);
      add_days(all[i], days[i]);
    }
  }

 private:
  static constexpr std::int64_t kSpread =
      250;  ///< a history ends up to a trading year before the newest

  void add_ticker(const Ticker& ticker) {
    const std::string name =
        std::string(ticker.region->names[random_.next() % 4]) + " " + ticker.code;
    const std::string& listed = calendar_[random_.next() % calendar_.size()];
    ticker_.text(ticker.code).text(ticker.region->code);
    random_.one_in(50) ? ticker_.null() : ticker_.text(name);
    random_.one_in(20) ? ticker_.null() : ticker_.text(ticker.region->exchange);
    ticker_.text(random_.one_in(12) ? "ETF" : "STOCK");
    random_.one_in(3) ? ticker_.null() : ticker_.text(listed);
    ticker_.integer(random_.one_in(25) ? 0 : 1);
    ticker_.text("2024-06-07T08:15:30.000000");
    ticker_.put();
  }

  void add_days(const Ticker& ticker, std::int64_t days) {
    const Region& region = *ticker.region;
    const double steps_per_unit = std::round(1 / region.price_step);
    const auto price = [&](std::int64_t steps) {
      return static_cast<double>(steps) / steps_per_unit;
    };
    std::int64_t close = random_.between(region.price_low, region.price_high);
    const auto start = static_cast<std::size_t>(random_.between(0, kSpread));
    const auto first = calendar_.size() - static_cast<std::size_t>(days) - start;
    for (std::int64_t day = 0; day < days; ++day) {
      const std::int64_t open =
          std::max<std::int64_t>(1, close + close * random_.between(-90, 90) / 10'000);
      close = std::max<std::int64_t>(1, open + open * random_.between(-300, 302) / 10'000);
      const std::int64_t high = std::max(open, close) * random_.between(10'000, 10'120) / 10'000;
      const std::int64_t low = std::min(open, close) * random_.between(9'880, 10'000) / 10'000;
      day_.text(ticker.code)
          .text(region.code)
          .text(calendar_[first + static_cast<std::size_t>(day)]);
      if (random_.one_in(400))  // trading halted: the row is there, the prices are not
        day_.null().null().null().real(price(close)).integer(0);
      else
        day_.real(price(open))
            .real(price(high))
            .real(price(low))
            .real(price(close))
            .integer(random_.between(1, 1'000) * random_.between(1, 1'000) * ticker.weight);
      random_.one_in(10) ? day_.null() : day_.text("2024-06-07 08:15:30");
      day_.put();
    }
  }

  Random random_;
  Insert ticker_;
  Insert day_;
  std::vector<std::string> calendar_;
};

Arguments parse(const std::vector<std::string>& words) {
  Arguments arguments;
  double scale = 1;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (!word.starts_with("--")) {
      if (!arguments.file.empty()) throw std::invalid_argument("one FILE only");
      arguments.file = word;
      continue;
    }
    if (i + 1 == words.size()) throw std::invalid_argument(word + " needs a value");
    const std::string& value = words[++i];
    if (word == "--tickers")
      arguments.tickers = std::stoll(value);
    else if (word == "--rows")
      arguments.rows = std::stoll(value);
    else if (word == "--seed")
      arguments.seed = std::stoull(value);
    else if (word == "--scale")
      scale = std::stod(value);
    else
      throw std::invalid_argument("unknown option " + word);
  }
  if (arguments.file.empty())
    throw std::invalid_argument(
        "usage: lockstep-prices FILE [--tickers N] [--rows N] [--seed N] [--scale F]");
  arguments.tickers = std::llround(static_cast<double>(arguments.tickers) * scale);
  arguments.rows = std::llround(static_cast<double>(arguments.rows) * scale);
  if (arguments.tickers < 1 || arguments.rows < 0) throw std::invalid_argument("too small");
  return arguments;
}

}  // namespace

int main(int count, char** words) {
  try {
    const Arguments arguments = parse({words + 1, words + count});
    if (std::filesystem::exists(arguments.file))
      throw std::runtime_error(arguments.file + " is there already");
    Database database{arguments.file};
    database.run(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;"
        "PRAGMA cache_size = -262144; BEGIN");
    database.run(kSchema);
    Builder{database, arguments.seed}.build(arguments.tickers, arguments.rows);
    database.run("CREATE INDEX ohlcv_date ON ohlcv_data(date); COMMIT");
    database.run("PRAGMA locking_mode = NORMAL; PRAGMA journal_mode = WAL");
    std::printf("%lld tickers, %lld rows in %s\n", static_cast<long long>(arguments.tickers),
                static_cast<long long>(arguments.rows), arguments.file.c_str());
    return 0;
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "lockstep-prices: %s\n", failure.what());
    return 1;
  }
}
