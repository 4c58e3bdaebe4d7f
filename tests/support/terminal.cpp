#include "tests/support/terminal.hpp"

#include <fcntl.h>
#include <pty.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>

namespace lockstep::test {

Terminal::Terminal(unsigned short columns, unsigned short lines) : columns_(columns), lines_(1) {
  int keyboard = -1, screen = -1;
  std::array<char, 64> path{};
  winsize size{};
  size.ws_col = columns;
  size.ws_row = lines;
  if (::openpty(&keyboard, &screen, nullptr, nullptr, &size) != 0 ||
      ::ttyname_r(screen, path.data(), path.size()) != 0)
    throw std::system_error(errno, std::generic_category(), "openpty");
  keyboard_ = Descriptor{keyboard};
  screen_ = Descriptor{screen};
  path_ = path.data();
  for (const int end : {keyboard, screen}) static_cast<void>(::fcntl(end, F_SETFD, FD_CLOEXEC));
  static_cast<void>(::fcntl(keyboard, F_SETFL, O_RDWR | O_NONBLOCK));
}

void Terminal::look() {
  std::array<char, 4'096> buffer{};
  for (;;) {
    const ssize_t got = ::read(keyboard_.get(), buffer.data(), buffer.size());
    if (got <= 0) break;
    written_.append(buffer.data(), static_cast<std::size_t>(got));
  }
  show();
}

void Terminal::show() {
  while (shown_ < written_.size()) {
    const char lead = written_[shown_];
    if (lead == '\x1b') {
      const std::size_t end = written_.find_first_not_of("0123456789", shown_ + 2);
      if (end == std::string::npos) return;  // the rest has not come yet
      if (written_[shown_ + 1] != '[') throw std::runtime_error("an escape that is no CSI");
      const std::string count = written_.substr(shown_ + 2, end - shown_ - 2);
      control(written_[end], count.empty() ? 0 : std::stoul(count));
      shown_ = end + 1;
      continue;
    }
    const auto byte = static_cast<unsigned char>(lead);
    const std::size_t size = byte < 0xc0 ? 1U : byte < 0xe0 ? 2U : byte < 0xf0 ? 3U : 4U;
    if (shown_ + size > written_.size()) return;
    if (lead == '\r')
      column_ = 0;
    else if (lead == '\n')
      lines_.resize(std::max(lines_.size(), ++row_ + 1));
    else
      put(written_.substr(shown_, size));
    shown_ += size;
  }
}

void Terminal::put(const std::string& letter) {
  if (column_ >= columns_) {
    wrapped_ = true;
    column_ = 0;
    lines_.resize(std::max(lines_.size(), ++row_ + 1));
  }
  std::vector<std::string>& line = lines_[row_];
  if (line.size() <= column_) line.resize(column_ + 1, " ");
  line[column_++] = letter;
}

void Terminal::control(char command, std::size_t count) {
  if (command == 'A') {
    if (count > row_) throw std::runtime_error("the cursor would leave the screen");
    row_ -= count;
  } else if (command == 'K' || command == 'J') {
    if (lines_[row_].size() > column_) lines_[row_].resize(column_);
    if (command == 'K') return;
    lines_.resize(row_ + 1);
    pictures_.push_back(picture());
  } else {
    throw std::runtime_error(std::string("CSI ") + command + " is not known");
  }
}

std::vector<std::string> Terminal::picture() const {
  std::vector<std::string> picture;
  for (const auto& line : lines_) {
    std::string text;
    for (const std::string& letter : line) text += letter;
    text.erase(text.find_last_not_of(' ') + 1);
    picture.push_back(text);
  }
  while (!picture.empty() && picture.back().empty()) picture.pop_back();
  return picture;
}

}  // namespace lockstep::test
