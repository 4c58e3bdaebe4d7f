#include "model/failpoint.hpp"

#ifdef LOCKSTEP_FAILPOINTS

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "model/clock.hpp"
#include "model/error.hpp"

namespace lockstep {

namespace {

/// NAME=ACTION[:ARGUMENT][@HIT], as in apply.committed=kill@2.
struct Order {
  std::string action;
  std::string argument;
  int hit = 1;  ///< counted from 1; 0: each
};

int number_from(std::string_view text) {
  int number = -1;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  check(parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size(),
        "LOCKSTEP_FAILPOINTS has a number where one is due");
  return number;
}

Order order_from(std::string_view text) {
  Order order;
  if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
    order.hit = number_from(text.substr(at + 1));
    text = text.substr(0, at);
  }
  const std::size_t colon = text.find(':');
  order.action = text.substr(0, colon);
  if (colon != std::string_view::npos) order.argument = text.substr(colon + 1);
  return order;
}

std::map<std::string, std::vector<Order>, std::less<>> orders_from_environment() {
  std::map<std::string, std::vector<Order>, std::less<>> orders;
  const char* text = std::getenv("LOCKSTEP_FAILPOINTS");
  std::string_view rest = text == nullptr ? "" : text;
  while (!rest.empty()) {
    const std::size_t end = rest.find(';');
    const std::string_view one = rest.substr(0, end);
    const std::size_t equals = one.find('=');
    check(equals != std::string_view::npos, "LOCKSTEP_FAILPOINTS is NAME=ACTION;...");
    orders[std::string(one.substr(0, equals))].push_back(order_from(one.substr(equals + 1)));
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  return orders;
}

/// One line for each hit, so that a test knows which places a run came by.
void trace(std::string_view line) {
  static const int file = [] {
    const char* path = std::getenv("LOCKSTEP_FAILPOINT_TRACE");
    return path == nullptr ? -1 : ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  }();
  if (file < 0) return;
  const std::string text = fmt::format("{}\n", line);
  check(::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()),
        "the trace of failpoints can be written");
}

void act(const char* name, const Order& order) {
  trace(fmt::format("{} {}", name, order.action));
  if (order.action == "kill") {
    ::kill(::getpid(), SIGKILL);
  } else if (order.action == "abort") {  // as a failed assertion of a library does
    ::prctl(PR_SET_DUMPABLE, 0);         // without a core file
    std::abort();
  } else if (order.action == "stop") {
    ::kill(::getpid(), SIGSTOP);  // all threads; the test sends SIGCONT
  } else if (order.action == "delay") {
    std::this_thread::sleep_for(Milliseconds{number_from(order.argument)});
  } else if (order.action == "block") {  // until a file of that name is there
    while (!std::filesystem::exists(order.argument)) std::this_thread::sleep_for(Milliseconds{1});
  } else if (order.action == "error") {
    throw Error({.code = "LS-R798",
                 .exit = ExitCode::stopped,
                 .what = fmt::format("failpoint {} was told to fail", name),
                 .why = "LOCKSTEP_FAILPOINTS asks for it",
                 .data = "as after any failure at this place",
                 .todo = "nothing",
                 .retry = Retry::new_session});
  } else {
    broken_promise("LOCKSTEP_FAILPOINTS names kill, abort, stop, delay:MS, block:FILE or error",
                   __FILE__, __LINE__);
  }
}

}  // namespace

void failpoint(const char* name) {
  static const auto orders = orders_from_environment();
  static const bool traced = std::getenv("LOCKSTEP_FAILPOINT_TRACE") != nullptr;
  if (orders.empty() && !traced) return;
  static std::mutex mutex;
  static std::map<std::string, int, std::less<>> hits;
  int hit = 0;
  {
    const std::lock_guard lock(mutex);
    hit = ++hits[name];
  }
  trace(name);
  const auto found = orders.find(name);
  if (found == orders.end()) return;
  for (const Order& order : found->second)
    if (order.hit == hit || order.hit == 0) act(name, order);
}

}  // namespace lockstep

#endif
