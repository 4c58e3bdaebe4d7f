// A terminal as a program sees it: a pseudo-terminal, and what a person would see on it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tests/support/process.hpp"

namespace lockstep::test {

/// Knows text, CR, LF, cursor up (CSI n A), erasing to the end of the line (CSI K) and of the
/// screen (CSI J); throws std::runtime_error at anything else. Endlessly high: nothing scrolls
/// away. One thread.
class Terminal {
 public:
  /// Throws std::system_error if there is no pseudo-terminal to be had.
  Terminal(unsigned short columns, unsigned short lines);

  /// For ProcessOptions::stderr_path. Process::error_output() cannot be asked then.
  [[nodiscard]] const std::string& path() const { return path_; }
  /// Shows what was written since; to be called often while a program writes: the kernel keeps some
  /// KiB only, then the program waits.
  void look();
  /// The screen after each erasing of its end, which is how a paint ends: lines without blanks at
  /// their end, without empty lines at the end.
  [[nodiscard]] const std::vector<std::vector<std::string>>& pictures() const { return pictures_; }
  [[nodiscard]] std::vector<std::string> picture() const;
  /// Everything as it was written.
  [[nodiscard]] const std::string& written() const { return written_; }
  /// A letter was written beyond the last column.
  [[nodiscard]] bool wrapped() const { return wrapped_; }

 private:
  void show();
  void control(char command, std::size_t count);
  void put(const std::string& letter);

  Descriptor keyboard_;  // the program's other end
  Descriptor screen_;    // kept open: else reading fails once the program is gone
  std::string path_;
  std::size_t columns_;
  std::string written_;
  std::size_t shown_ = 0;                        // of written_
  std::vector<std::vector<std::string>> lines_;  // letters, each as UTF-8
  std::size_t row_ = 0, column_ = 0;
  std::vector<std::vector<std::string>> pictures_;
  bool wrapped_ = false;
};

}  // namespace lockstep::test
