#include "ops/screen.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "link/postgres/dsn.hpp"
#include "ops/printable.hpp"

namespace lockstep::ops {

namespace {

// Repainting needs a terminal that obeys: in JSON mode, and on TERM=dumb, progress is lines.
bool repaints(Format format) {
  const char* kind = std::getenv("TERM");
  const bool dumb = kind != nullptr && std::string_view(kind) == "dumb";
  return format == Format::text && !dumb && ::isatty(STDERR_FILENO) == 1;
}

Milliseconds interval_for(bool terminal) {
  if (const char* fps = std::getenv("LOCKSTEP_PROGRESS_FPS")) {
    const double rate = std::atof(fps);
    if (rate > 0) return Milliseconds{static_cast<std::int64_t>(1'000 / rate)};
  }
  return terminal ? Milliseconds{100} : Milliseconds{30'000};
}

bool locale_is_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    std::string locale(value);
    for (char& letter : locale)
      letter = letter >= 'A' && letter <= 'Z' ? char(letter + 32) : letter;
    return locale.find("utf-8") != std::string::npos || locale.find("utf8") != std::string::npos;
  }
  return false;
}

struct Size {
  std::size_t columns = 0, lines = 0;
};

std::optional<Size> terminal_size() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20) return std::nullopt;
  return Size{size.ws_col - 1U, size.ws_row};
}

constexpr std::size_t kAnyWidth = 4'096;

// A line that wraps would be more lines than were counted. Where the width is not known, one line
// has to do, and where the height is too small for a block as well.
std::vector<std::string> fitted(const Status& status, bool utf8) {
  const std::optional<Size> size = terminal_size();
  if (!size) return {cut(progress_line(status), {kAnyWidth, utf8})};
  std::vector<std::string> block = progress_block(status, {size->columns, utf8});
  if (block.size() > 1 && block.size() >= size->lines) block.resize(1);
  return block;
}

// A reader that went away (`lockstep run | head`) must not end the run: what cannot be written is
// dropped.
void write(std::FILE* stream, std::string_view text) {
  static_cast<void>(std::fwrite(text.data(), 1, text.size(), stream));
  std::fflush(stream);
}

// A connection string in a wrong place comes back in many a message: here is the one way out.
std::string without_secrets(std::string_view text) {
  return postgres::redacted(text, {});
}

}  // namespace

std::string repainted(std::size_t before, const std::vector<std::string>& lines) {
  std::string text = before > 1 ? fmt::format("\r\x1b[{}A", before - 1) : "\r";
  for (std::size_t i = 0; i < lines.size(); ++i)
    text += fmt::format("{}{}\x1b[K", i == 0 ? "" : "\n", lines[i]);
  return text + "\x1b[J";
}

std::string error_text(const ErrorFacts& facts) {
  std::string text =
      fmt::format("error[{}]: {}", facts.code, printable(without_secrets(facts.what)));
  const auto line = [&](std::string_view label, const std::string& value) {
    if (!value.empty())
      text += fmt::format("\n  {:<6} {}", label, printable(without_secrets(value)));
  };
  line("why", facts.why);
  line("data", facts.data);
  line("do", facts.todo);
  return text;
}

std::string error_json(const ErrorFacts& facts) {
  const nlohmann::json object{{"type", "error"},
                              {"code", facts.code},
                              {"exit_code", static_cast<int>(facts.exit)},
                              {"message", without_secrets(facts.what)},
                              {"why", without_secrets(facts.why)},
                              {"data", without_secrets(facts.data)},
                              {"hint", without_secrets(facts.todo)}};
  return object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Screen::Screen(Format format, Progress progress)
    : format_(format),
      progress_(progress),
      terminal_(repaints(format)),
      utf8_(locale_is_utf8()),
      interval_(interval_for(terminal_)) {}

void Screen::tell_once(bool yes) {
  once_ = yes;
  told_.clear();
}

bool Screen::is_new(std::string_view line) {
  return !once_ || told_.emplace(line).second;
}

void Screen::result(std::string_view line) {
  if (in_json() || !is_new(line)) return;
  end_progress();
  write(stdout, fmt::format("{}\n", printable(line)));
}

void Screen::text(std::string_view lines) {
  if (in_json()) return;
  end_progress();
  write(stdout, lines);
}

void Screen::json(std::string_view object) {
  if (!in_json() || !is_new(object)) return;
  write(stdout, fmt::format("{}\n", object));
}

void Screen::note(std::string_view line) {
  if (in_json() || !is_new(line)) return;
  if (painted_ > 0) write(stderr, repainted(painted_, {""}));
  painted_ = 0;
  write(stderr, fmt::format("{}\n", printable(without_secrets(line))));
}

void Screen::note(const Note& note) {
  json(nlohmann::json{{"type", "warning"},
                      {"code", note.code},
                      {"table", note.table},
                      {"what", without_secrets(note.what)}}
           .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  const bool names_it = note.table.empty() || note.what.find(note.table) != std::string::npos;
  this->note(
      fmt::format("note      {} {}{}", note.code, names_it ? "" : note.table + ": ", note.what));
}

bool Screen::is_due() {
  if (progress_ == Progress::quiet) return false;
  const SteadyTime now = steady_now();
  if (last_ && now - *last_ < interval_) return false;
  last_ = now;
  return true;
}

void Screen::progress(const Status& status) {
  if (!is_due()) return;
  if (in_json())
    json(status_json(status, "progress"));
  else if (terminal_)
    paint(fitted(status, utf8_));
  else
    write(stderr, fmt::format("{} {}\n", rfc3339(wall_now_us()),
                              cut(progress_line(status), {kAnyWidth, true})));
}

void Screen::progress(std::string_view line) {
  if (in_json() || !terminal_ || !is_due()) return;
  const std::optional<Size> size = terminal_size();
  paint({size ? cut(line, {size->columns, utf8_}) : printable(line)});
}

void Screen::paint(const std::vector<std::string>& lines) {
  write(stderr, repainted(painted_, lines));
  painted_ = lines.size();
}

void Screen::end_progress() {
  if (painted_ > 0) write(stderr, "\n");
  painted_ = 0;
}

void Screen::error(const ErrorFacts& facts) {
  end_progress();
  write(stderr, fmt::format("{}\n", in_json() ? error_json(facts) : error_text(facts)));
}

}  // namespace lockstep::ops
