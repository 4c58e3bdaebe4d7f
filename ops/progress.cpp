#include "ops/progress.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "ops/verified_text.hpp"

namespace lockstep::ops {

namespace {

using Seconds = std::chrono::duration<double>;

constexpr std::chrono::seconds kMomentEvery{1};
constexpr std::size_t kWindows = 5;
constexpr double kWindowMaxS = 60, kWindowMinS = 1;
constexpr std::size_t kMomentsMax = 302;  // five windows of 60 s, and both ends
constexpr double kFirstRateS = 3;
constexpr double kFirstEtaS = 30, kFirstEtaPercent = 1;
constexpr double kSteady = 1.5;  // above this ratio of the quartiles one number would promise much
constexpr std::size_t kTableLinesMax = 5;
constexpr std::size_t kNameColumns = 24, kBarColumns = 20, kBarsFromColumns = 72;

double middle(const std::vector<double>& sorted) {
  const std::size_t half = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

Share share(std::int64_t rows, std::int64_t expected) {
  Share result{rows, expected, std::nullopt};
  if (expected > 0)
    result.percent =
        std::floor(1'000.0 * static_cast<double>(rows) / static_cast<double>(expected)) / 10;
  return result;
}

std::string duration_text(double seconds) {
  const auto whole = std::max<std::int64_t>(1, std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3'600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  if (whole < 86'400) return fmt::format("{} h {:02} min", whole / 3'600, whole / 60 % 60);
  return fmt::format("{} d {:02} h", whole / 86'400, whole / 3'600 % 24);
}

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts)
    if (!part.empty()) text += (text.empty() ? "" : "  ") + part;
  return text;
}

std::string names_text(const std::vector<std::string>& names) {
  constexpr std::size_t kNamesMax = 2;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kNamesMax); ++i)
    text += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > kNamesMax) text += fmt::format(" and {} more", names.size() - kNamesMax);
  return text;
}

template <class Condition>
std::vector<std::string> names_where(const Status& status, Condition condition) {
  std::vector<std::string> names;
  for (const TableProgress& table : status.tables)
    if (condition(table)) names.push_back(table.name);
  return names;
}

std::string rows_text(const Share& share) {
  if (share.expected == 0) return fmt::format("{} rows", grouped(share.rows));
  return fmt::format("{} of {} rows", grouped(share.rows), grouped(share.expected));
}

std::string percent_text(const Share& share) {
  return share.percent ? fmt::format("{:.1f} %", *share.percent) : std::string();
}

std::string rate_text(double rows_per_second) {
  return fmt::format("{} rows/s", grouped(static_cast<std::int64_t>(rows_per_second)));
}

std::string shown_lag(double ms) {
  return ms < 10'000 ? fmt::format("{:.1f} ms", ms) : fmt::format("{:.0f} s", ms / 1'000);
}

std::string awaited_text(const Status& status) {
  if (!status.awaited) return {};
  return fmt::format("waiting since {}: {}", rfc3339(status.awaited->since_us),
                     status.awaited->what);
}

// The share without the rest of copy_text(), which the bar shows already.
std::string copy_rest(const Status& status, const Share& share) {
  const double rate = status.rows_per_second.value_or(status.copy_rows_per_second);
  std::string end;
  if (share.percent && *share.percent >= 100) {
    const auto names = names_where(status, [](const auto& table) { return !table.copied; });
    end = names.empty() ? "every row is copied" : "awaiting the last rows of " + names_text(names);
  } else if (status.eta) {
    end = eta_text(*status.eta);
  }
  // Without a run there is none: 0 would be a claim.
  const bool known = status.rows_per_second || rate > 0;
  return joined({rows_text(share), known ? rate_text(rate) : std::string(), end});
}

std::string bar(const Share& share, const Canvas& canvas) {
  if (!share.percent || canvas.columns < kBarsFromColumns) return {};
  const auto full = static_cast<std::size_t>(*share.percent / 100 * double{kBarColumns});
  std::string text;
  for (std::size_t i = 0; i < kBarColumns; ++i) {
    if (canvas.utf8)
      text += i < full ? "\u2588" : "\u2591";
    else
      text += i < full ? "#" : "-";
  }
  return text;
}

struct Letter {
  std::size_t bytes = 1, columns = 1;
  bool shown = true;
};

// Broken UTF-8 and control characters (C1 too: a terminal obeys them) are not shown as they are.
Letter letter_at(std::string_view text, bool utf8) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {1, 1, lead >= 0x20 && lead != 0x7f};
  const std::size_t bytes = lead >= 0xf0 ? 4U : lead >= 0xe0 ? 3U : 2U;
  if (lead < 0xc2 || lead > 0xf4 || bytes > text.size()) return {1, 1, false};
  unsigned point = lead & (0xffU >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0U) != 0x80) return {1, 1, false};
    point = point << 6U | (byte(i) & 0x3fU);
  }
  // Where wide letters begin. Some after it are narrow: then a line ends early, and does no harm.
  constexpr unsigned kWide = 0x1100, kNarrowFrom = 0x2000, kNarrowUntil = 0x2e80;
  const bool wide = point >= kWide && !(point >= kNarrowFrom && point < kNarrowUntil);
  return {bytes, wide ? 2U : 1U, utf8 && point >= 0xa0};
}

struct Cut {
  std::string text;
  std::size_t columns = 0;
};

Cut cut_and_measured(std::string_view text, const Canvas& canvas) {
  Cut result;
  while (!text.empty()) {
    Letter letter = letter_at(text, canvas.utf8);
    if (!letter.shown) letter.columns = 1;
    if (result.columns + letter.columns > canvas.columns) break;
    result.text += letter.shown ? text.substr(0, letter.bytes) : std::string_view("?");
    result.columns += letter.columns;
    text.remove_prefix(letter.bytes);
  }
  return result;
}

std::string table_line(const TableProgress& table, const Canvas& canvas) {
  Cut name = cut_and_measured(table.name, {kNameColumns, canvas.utf8});
  name.text.append(kNameColumns - name.columns, ' ');
  const Share share = share_of(table);
  return "  " +
         joined({name.text, bar(share, canvas),
                 share.percent ? fmt::format("{:>5.1f} %", *share.percent) : "", rows_text(share),
                 table.rows_per_second ? rate_text(*table.rows_per_second) : std::string(),
                 table.eta ? eta_text(*table.eta) : std::string()});
}

}  // namespace

void CopyHistory::look(Status& status, SteadyTime now) {
  if (status.phase != "snapshot") {
    moments_.clear();
    whole_.reset();
    tables_.clear();
    return;
  }
  if (moments_.empty() || now - moments_.back().at >= kMomentEvery) remember(status, now);
  if (whole_) {
    const Share share = share_of(status);
    status.rows_per_second = whole_->median;
    status.eta = eta(*whole_, share.rows, share.expected);
  }
  for (TableProgress& table : status.tables) {
    const auto found = tables_.find(table.id);
    if (found == tables_.end() || !under_way(table)) continue;
    const Share share = share_of(table);
    table.rows_per_second = found->second.median;
    table.eta = eta(found->second, share.rows, share.expected);
  }
}

void CopyHistory::remember(const Status& status, SteadyTime now) {
  Moment moment{now, 0, {}};
  for (const TableProgress& table : status.tables) {
    moment.rows += table.rows;
    if (under_way(table)) moment.tables[table.id] = table.rows;
  }
  moments_.push_back(std::move(moment));
  if (moments_.size() > kMomentsMax) moments_.pop_front();
  whole_ = rate(series(std::nullopt));
  tables_.clear();
  for (const auto& [id, rows] : moments_.back().tables)
    if (const auto found = rate(series(id))) tables_[id] = *found;
}

// From the last moment at which nothing had come yet: what was before it says nothing of the rate.
std::vector<CopyHistory::Point> CopyHistory::series(std::optional<std::uint32_t> table) const {
  std::vector<Point> points;
  for (const Moment& moment : moments_) {
    std::int64_t rows = moment.rows;
    if (table) {
      const auto found = moment.tables.find(*table);
      if (found == moment.tables.end()) continue;
      rows = found->second;
    }
    if (points.size() == 1 && rows == points.front().rows) points.clear();
    points.push_back({moment.at, rows});
  }
  return points;
}

std::optional<CopyHistory::Rate> CopyHistory::rate(std::vector<Point> points) {
  const SteadyTime last = points.back().at;
  const double elapsed = Seconds(last - points.front().at).count();
  if (elapsed < kFirstRateS) return std::nullopt;
  const double window = std::clamp(elapsed / double{kWindows}, kWindowMinS, kWindowMaxS);
  const auto rows_before = [&](double seconds) {
    const auto after = std::find_if(points.begin() + 1, points.end() - 1, [&](const Point& point) {
      return Seconds(last - point.at).count() <= seconds;
    });
    const Point& from = *(after - 1);
    const double width = Seconds(after->at - from.at).count();
    const double part = (Seconds(last - from.at).count() - seconds) / width;
    return static_cast<double>(from.rows) +
           std::clamp(part, 0.0, 1.0) * static_cast<double>(after->rows - from.rows);
  };
  std::vector<double> rates;
  constexpr double kRounding = 1e-6;
  for (std::size_t i = 0; i < kWindows; ++i) {
    const double end = static_cast<double>(i) * window;
    if (end + window > elapsed + kRounding) break;
    rates.push_back(std::max(0.0, (rows_before(end) - rows_before(end + window)) / window));
  }
  std::sort(rates.begin(), rates.end());
  const std::size_t quarter = rates.size() / 4;
  return Rate{middle(rates), rates[quarter], rates[rates.size() - 1 - quarter], elapsed};
}

std::optional<Eta> CopyHistory::eta(const Rate& rate, std::int64_t rows, std::int64_t expected) {
  const Share known = share(rows, expected);
  if (!known.percent || rows >= expected || rate.low <= 0) return std::nullopt;
  if (*known.percent < kFirstEtaPercent && rate.elapsed_s < kFirstEtaS) return std::nullopt;
  const auto left = static_cast<double>(expected - rows);
  Eta eta{left / rate.median, left / rate.median, left / rate.median};
  if (rate.high > kSteady * rate.low) {
    eta.soonest_s = left / rate.high;
    eta.latest_s = left / rate.low;
  }
  return eta;
}

Share share_of(const TableProgress& table) {
  if (table.copied) return share(table.rows, table.rows);
  if (table.expected == 0) return share(table.rows, 0);
  return share(table.rows, std::max(table.rows, table.expected));
}

// The census knows every table or none.
Share share_of(const Status& status) {
  std::int64_t rows = 0, expected = 0;
  bool known = false;
  for (const TableProgress& table : status.tables) {
    known = known || table.expected > 0;
    rows += table.rows;
    expected += table.copied ? table.rows : std::max(table.rows, table.expected);
  }
  return share(rows, known ? expected : 0);
}

bool under_way(const TableProgress& table) {
  return table.begun && !table.copied;
}

std::string eta_text(const Eta& eta) {
  const std::string soonest = duration_text(eta.soonest_s), latest = duration_text(eta.latest_s);
  if (soonest == latest) return "ETA " + duration_text(eta.seconds);
  return fmt::format("ETA {} to {}", soonest, latest);
}

std::string copy_text(const Status& status) {
  const Share share = share_of(status);
  return joined({percent_text(share), copy_rest(status, share)});
}

std::string index_text(const Status& status) {
  const auto done = names_where(status, [](const auto& table) { return table.indexed; });
  const auto building = names_where(status, [](const auto& table) { return table.indexing; });
  std::string text = fmt::format("{} of {} indexed", done.size(), status.tables.size());
  if (!building.empty()) text += ", building " + names_text(building);
  return text;
}

std::string progress_line(const Status& status) {
  std::vector<std::string> parts{status.migration, status.phase};
  if (status.phase == "snapshot") {
    parts.push_back(copy_text(status));
    if (share_of(status).percent.value_or(0) < 100)
      parts.push_back(names_text(names_where(status, under_way)));
  } else if (status.phase == "indexing") {
    parts.push_back(index_text(status));
  } else {
    if (status.phase == "catchup") parts.emplace_back("awaiting what changed during the copy");
    parts.push_back(fmt::format("{} changes applied", grouped(status.changes_applied)));
    parts.push_back(fmt::format("backlog {}", backlog_number(status)));
    if (status.lag_ms) parts.push_back("lag " + shown_lag(*status.lag_ms));
    parts.push_back(verified_text(status, wall_now_us()));
  }
  parts.push_back(awaited_text(status));
  return joined(parts);
}

std::vector<std::string> progress_block(const Status& status, const Canvas& canvas) {
  if (status.phase != "snapshot") return {cut(progress_line(status), canvas)};
  const Share share = share_of(status);
  std::vector<std::string> lines{joined({status.migration, status.phase, bar(share, canvas),
                                         percent_text(share), copy_rest(status, share)})};
  std::size_t more = 0;
  for (const TableProgress& table : status.tables) {
    if (!under_way(table)) continue;
    if (lines.size() <= kTableLinesMax)
      lines.push_back(table_line(table, canvas));
    else
      ++more;
  }
  if (more > 0) lines.push_back(fmt::format("  and {} more", more));
  if (status.awaited) lines.push_back("  " + awaited_text(status));
  for (std::string& line : lines) line = cut(line, canvas);
  return lines;
}

std::string cut(std::string_view text, const Canvas& canvas) {
  return cut_and_measured(text, canvas).text;
}

bool is_backlog_known(const Status& status) {
  return status.backlog != 0 || status.log_counted || (status.captured && status.applied);
}

std::string backlog_number(const Status& status) {
  return is_backlog_known(status) ? grouped(status.backlog) : "-";
}

std::string backlog_text(std::int64_t changes) {
  if (changes >= 0) return grouped(changes) + " changes";
  return fmt::format("SQLite lacks {} change(s) that were applied (an older file?)",
                     grouped(-changes));
}

std::string grouped(std::int64_t number) {
  std::string digits = std::to_string(number);
  const std::size_t start = number < 0 ? 1 : 0;
  for (std::size_t at = digits.size(); at > start + 3;) {
    at -= 3;
    digits.insert(at, 1, ',');
  }
  return digits;
}

}  // namespace lockstep::ops
