// From a status, and a memory of the last minutes, to what a person sees of the copy: shares,
// rates, how long it may still take. Pure: no clock, no terminal.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/clock.hpp"
#include "ops/board.hpp"

namespace lockstep::ops {

/// Rows at moments, one a second at most, of the last five minutes: what rates and ETA are made of.
/// One thread.
class CopyHistory {
 public:
  /// To be called often, several times a second. Remembers what `status` says and puts into it, for
  /// the whole and for each table under way, rows_per_second and eta.
  ///
  /// A rate is the median over the last five windows of 60 s; while less time has passed since rows
  /// began to come, over that time cut into five (a window is never below 1 s, and before 3 s there
  /// is no rate). An ETA is there from 1 % or 30 s on, if rows are expected; not while more than
  /// one of five windows saw no row.
  void look(Status& status, SteadyTime now);

 private:
  struct Moment {
    SteadyTime at;
    std::int64_t rows = 0;
    std::map<std::uint32_t, std::int64_t> tables;  // those under way
  };
  struct Rate {
    double median = 0, low = 0, high = 0;  // rows/s; the quartiles
    double elapsed_s = 0;
  };
  struct Point {
    SteadyTime at;
    std::int64_t rows = 0;
  };
  void remember(const Status& status, SteadyTime now);
  [[nodiscard]] std::vector<Point> series(std::optional<std::uint32_t> table) const;
  [[nodiscard]] static std::optional<Rate> rate(std::vector<Point> points);
  [[nodiscard]] static std::optional<Eta> eta(const Rate& rate, std::int64_t rows,
                                              std::int64_t expected);

  std::deque<Moment> moments_;
  std::optional<Rate> whole_;  // as of the last moment
  std::map<std::uint32_t, Rate> tables_;
};

/// Rows of how many. A table that is copied was as large as what was copied of it; one that grew
/// past the census is as large as it is known to be.
struct Share {
  std::int64_t rows = 0;
  std::int64_t expected = 0;      ///< 0: not known
  std::optional<double> percent;  ///< 0 to 100, rounded down to a tenth; nothing if not known
};
[[nodiscard]] Share share_of(const TableProgress& table);
[[nodiscard]] Share share_of(const Status& status);

/// It is being copied.
[[nodiscard]] bool under_way(const TableProgress& table);

/// "ETA 6 min 04 s", or "ETA 5 min 10 s to 9 min 02 s"; never less than a second.
[[nodiscard]] std::string eta_text(const Eta& eta);
/// 50.0 %  1,000 of 2,000 rows  120 rows/s  ETA 8 s: what is known of it. At 100 % what is awaited.
[[nodiscard]] std::string copy_text(const Status& status);
/// 3 of 12 indexed, building ohlcv_data
[[nodiscard]] std::string index_text(const Status& status);

/// One line: phase, what copy_text() and index_text() say, changes, lag, and what is awaited.
[[nodiscard]] std::string progress_line(const Status& status);

/// What a terminal can show.
struct Canvas {
  std::size_t columns = 80;
  bool utf8 = true;
};
/// While rows are copied: a bar for the whole and one line for each table under way, at most five,
/// then "and N more". Else progress_line() alone. No line is wider than the canvas, nor can a name
/// steer the terminal.
[[nodiscard]] std::vector<std::string> progress_block(const Status& status, const Canvas& canvas);

/// At most so many columns of it. Control characters become '?', and so does what is not ASCII if
/// the terminal is not UTF-8.
[[nodiscard]] std::string cut(std::string_view text, const Canvas& canvas);

/// False where the source was not looked at, or nobody said what is applied: then 0 means nothing.
[[nodiscard]] bool is_backlog_known(const Status& status);
/// How many changes wait, or "-" where that is not known.
[[nodiscard]] std::string backlog_number(const Status& status);

/// "12 changes"; below 0 that SQLite lacks what was applied.
[[nodiscard]] std::string backlog_text(std::int64_t changes);

/// 1,234,567
[[nodiscard]] std::string grouped(std::int64_t number);

}  // namespace lockstep::ops
