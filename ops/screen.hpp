// What a person sees: results on stdout, messages on stderr, progress that repaints itself on a
// terminal.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "model/error.hpp"
#include "ops/board.hpp"
#include "ops/progress.hpp"

namespace lockstep::ops {

enum class Format { text, json };
enum class Progress { shown, quiet };

/// One thread. What it is given may hold names and foreign texts of any kind: lines are
/// printable().
class Screen {
 public:
  explicit Screen(Format format, Progress progress = Progress::shown);

  /// A line of the result. In JSON mode only objects go to stdout: use json() there.
  void result(std::string_view line);
  /// A result of many lines, as it is.
  void text(std::string_view lines);
  void json(std::string_view object);
  /// A line for the person at the terminal (stderr), above the progress. Silent in JSON mode.
  void note(std::string_view line);
  /// The same with its code; in JSON mode a warning object on stdout.
  void note(const Note& note);
  /// Repaints at most 10 times a second on a terminal (not on TERM=dumb), else prints a line every
  /// 30 s, in JSON mode an object (LOCKSTEP_PROGRESS_FPS overrides all). Nothing if quiet.
  void progress(const Status& status);
  /// On a terminal only.
  void progress(std::string_view line);
  void end_progress();
  /// From now on results, notes and objects are told once only: what tells them may be done again.
  void tell_once(bool yes);
  /// error[CODE]: what / why / data / do; in JSON mode one object on stderr with code, exit_code,
  /// message, hint.
  void error(const ErrorFacts& facts);

  [[nodiscard]] bool in_json() const { return format_ == Format::json; }

 private:
  [[nodiscard]] bool is_due();
  [[nodiscard]] bool is_new(std::string_view line);
  void paint(const std::vector<std::string>& lines);
  Format format_;
  Progress progress_;
  bool terminal_;
  bool utf8_;
  std::size_t painted_ = 0;  // lines that the next paint covers; the cursor is in the last
  Milliseconds interval_;
  std::optional<SteadyTime> last_;
  bool once_ = false;
  std::set<std::string> told_;
};

/// What to write so that `lines` stand where `before` lines stand whose last one has the cursor (0:
/// on an empty line). Nothing is cleared before it is written anew: it does not flicker. Pure.
[[nodiscard]] std::string repainted(std::size_t before, const std::vector<std::string>& lines);
/// As printed on stderr in text mode, without trailing newline. Pure.
[[nodiscard]] std::string error_text(const ErrorFacts& facts);
[[nodiscard]] std::string error_json(const ErrorFacts& facts);

}  // namespace lockstep::ops
