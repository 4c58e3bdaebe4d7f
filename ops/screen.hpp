// What a person sees: results on stdout, messages on stderr, one progress line that repaints itself
// on a terminal.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "model/error.hpp"
#include "ops/board.hpp"

namespace lockstep::ops {

enum class Format { text, json };

/// One thread.
class Screen {
 public:
  explicit Screen(Format format);

  /// A line of the result. In JSON mode only objects go to stdout: use json() there.
  void result(std::string_view line);
  void json(std::string_view object);
  /// A line for the person at the terminal (stderr), above the progress line. Silent in JSON mode.
  void note(std::string_view line);
  /// Repaints at most 10 times a second on a terminal, else prints a line every 30 s
  /// (LOCKSTEP_PROGRESS_FPS overrides both). In JSON mode a status object at that pace.
  void progress(const Status& status);
  void progress(std::string_view line);
  void end_progress();
  /// error[CODE]: what / why / data / do; in JSON mode one object on stderr with code, exit_code,
  /// message, hint.
  void error(const ErrorFacts& facts);

  [[nodiscard]] bool in_json() const { return format_ == Format::json; }

 private:
  [[nodiscard]] bool is_due();
  Format format_;
  bool terminal_;
  bool line_open_ = false;
  Milliseconds interval_;
  std::optional<SteadyTime> last_;
};

/// The one progress line: phase, rows and rate, changes, lag, and what is awaited. Pure.
[[nodiscard]] std::string progress_line(const Status& status);
/// 1,234,567
[[nodiscard]] std::string grouped(std::int64_t number);
/// As printed on stderr in text mode, without trailing newline. Pure.
[[nodiscard]] std::string error_text(const ErrorFacts& facts);
[[nodiscard]] std::string error_json(const ErrorFacts& facts);

}  // namespace lockstep::ops
