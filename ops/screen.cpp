#include "ops/screen.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

namespace lockstep::ops {

namespace {

Milliseconds interval_for(bool terminal) {
  if (const char* fps = std::getenv("LOCKSTEP_PROGRESS_FPS")) {
    const double rate = std::atof(fps);
    if (rate > 0) return Milliseconds{static_cast<std::int64_t>(1'000 / rate)};
  }
  return terminal ? Milliseconds{100} : Milliseconds{30'000};
}

// A line longer than the terminal would wrap, and the repaint would leave its tail behind.
std::string fitted(std::string_view line) {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20) return std::string(line);
  return std::string(line.substr(0, size.ws_col - 1U));
}

// A reader that went away (`lockstep run | head`) must not end the run: what cannot be written is
// dropped.
void write(std::FILE* stream, std::string_view text) {
  static_cast<void>(std::fwrite(text.data(), 1, text.size(), stream));
  std::fflush(stream);
}

std::string shown_lag(double ms) {
  return ms < 10'000 ? fmt::format("{:.1f} ms", ms) : fmt::format("{:.0f} s", ms / 1'000);
}

}  // namespace

std::string grouped(std::int64_t number) {
  std::string digits = std::to_string(number);
  const std::size_t start = number < 0 ? 1 : 0;
  for (std::size_t at = digits.size(); at > start + 3;) {
    at -= 3;
    digits.insert(at, 1, ',');
  }
  return digits;
}

std::string progress_line(const Status& status) {
  std::string line = fmt::format("{}  {}", status.migration, status.phase);
  if (status.phase == "snapshot") {
    std::int64_t rows = 0, expected = 0;
    std::string table;
    for (const TableProgress& progress : status.tables) {
      rows += progress.rows;
      expected += progress.expected;
      if (!progress.copied && table.empty()) table = progress.name;
    }
    if (expected > 0)
      line += fmt::format("  {:.1f} %",
                          100.0 * static_cast<double>(rows) / static_cast<double>(expected));
    line += fmt::format("  {} rows  {} rows/s  {}", grouped(rows),
                        grouped(static_cast<std::int64_t>(status.copy_rows_per_second)), table);
  } else if (status.phase == "indexing") {
    std::size_t done = 0;
    for (const TableProgress& progress : status.tables) done += progress.indexed ? 1U : 0U;
    line += fmt::format("  {} of {} tables have their keys", done, status.tables.size());
  } else {
    line += fmt::format("  {} changes applied  backlog {}", grouped(status.changes_applied),
                        grouped(status.backlog));
    if (status.lag_ms) line += fmt::format("  lag {}", shown_lag(*status.lag_ms));
  }
  if (status.awaited)
    line += fmt::format("  waiting since {}: {}", rfc3339(status.awaited->since_us),
                        status.awaited->what);
  return line;
}

std::string error_text(const ErrorFacts& facts) {
  std::string text = fmt::format("error[{}]: {}", facts.code, facts.what);
  const auto line = [&](std::string_view label, const std::string& value) {
    if (!value.empty()) text += fmt::format("\n  {:<6} {}", label, value);
  };
  line("why", facts.why);
  line("data", facts.data);
  line("do", facts.todo);
  return text;
}

std::string error_json(const ErrorFacts& facts) {
  const nlohmann::json object{
      {"type", "error"},       {"code", facts.code}, {"exit_code", static_cast<int>(facts.exit)},
      {"message", facts.what}, {"why", facts.why},   {"data", facts.data},
      {"hint", facts.todo}};
  return object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Screen::Screen(Format format)
    : format_(format),
      terminal_(::isatty(STDERR_FILENO) == 1),
      interval_(interval_for(terminal_)) {}

void Screen::result(std::string_view line) {
  if (in_json()) return;
  end_progress();
  write(stdout, fmt::format("{}\n", line));
}

void Screen::json(std::string_view object) {
  if (!in_json()) return;
  write(stdout, fmt::format("{}\n", object));
}

void Screen::note(std::string_view line) {
  if (in_json()) return;
  end_progress();
  write(stderr, fmt::format("{}\n", line));
}

bool Screen::is_due() {
  const SteadyTime now = steady_now();
  if (last_ && now - *last_ < interval_) return false;
  last_ = now;
  return true;
}

void Screen::progress(const Status& status) {
  if (!is_due()) return;
  if (in_json()) {
    json(status_json(status));
    return;
  }
  const std::string line = progress_line(status);
  if (!terminal_) {
    write(stderr, fmt::format("{} {}\n", rfc3339(wall_now_us()), line));
    return;
  }
  write(stderr, fmt::format("\r\x1b[K{}", fitted(line)));
  line_open_ = true;
}

void Screen::progress(std::string_view line) {
  if (in_json() || !terminal_ || !is_due()) return;
  write(stderr, fmt::format("\r\x1b[K{}", fitted(line)));
  line_open_ = true;
}

void Screen::end_progress() {
  if (!line_open_) return;
  write(stderr, fmt::format("\n"));
  line_open_ = false;
}

void Screen::error(const ErrorFacts& facts) {
  end_progress();
  write(stderr, fmt::format("{}\n", in_json() ? error_json(facts) : error_text(facts)));
}

}  // namespace lockstep::ops
