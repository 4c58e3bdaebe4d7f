#include "tests/support/tcp_proxy.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <deque>
#include <list>
#include <mutex>
#include <random>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/process.hpp"

namespace lockstep::test {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kBurst{10};  // what the clock of a narrow line forgives
constexpr std::size_t kReadBytes = 65'536;
constexpr std::size_t kHeldBytesMax = 262'144;  // then the sender feels it

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

Descriptor tcp_socket() {
  Descriptor made(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (made.get() < 0) throw std::system_error(errno, std::generic_category(), "socket");
  return made;
}

bool would_block() {
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ENOTCONN;
}

/// A close that the other end sees as a reset.
void reset(Descriptor& descriptor) {
  const linger now{1, 0};
  ::setsockopt(descriptor.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  descriptor.reset();
}

struct Held {
  Clock::time_point due;
  std::string bytes;
};

struct Flow {
  std::deque<Held> held;
  std::size_t bytes = 0;      // held
  std::uint64_t carried = 0;  // since the weather was set
  std::uint64_t weather = 0;  // which one that was
  Clock::time_point next{};   // by bytes_per_second
  bool ended = false;         // the sender said so
  bool told = false;          // and the receiver was told
};

struct Pair {
  Descriptor client, server;
  std::array<Flow, 2> flows;
  bool pulled = false;
  bool over = false;
};

}  // namespace

struct TcpProxy::Impl {
  std::uint16_t server_port = 0;
  std::uint16_t port = 0;
  Descriptor listener;
  std::list<Pair> pairs;

  std::mutex mutex;  // the three below
  std::array<Weather, 2> weather;
  std::array<std::uint64_t, 2> number{1, 1};
  bool pull = false;

  std::atomic<std::uint64_t> accepted{0}, resets{0}, flips{0};
  std::array<std::atomic<std::uint64_t>, 2> carried{};
  std::jthread thread;

  void serve(const std::stop_token& stop);
  void take_in();
  void read(Pair& pair, std::size_t way, const Weather& now);
  void write(Pair& pair, std::size_t way, const Weather& now);
  [[nodiscard]] std::size_t allowed(const Flow& flow, const Weather& now) const;
  void turn_a_bit(Flow& flow, std::size_t way, const Weather& now, std::string& bytes);
};

void TcpProxy::Impl::take_in() {
  for (;;) {
    Descriptor client(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (client.get() < 0) return;
    ++accepted;
    Descriptor server = tcp_socket();
    const int yes = 1;
    ::setsockopt(client.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    ::setsockopt(server.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    const sockaddr_in address = loopback(server_port);
    if (::connect(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
        errno != EINPROGRESS) {
      reset(client);
      continue;
    }
    Pair& pair = pairs.emplace_back();
    pair.client = std::move(client);
    pair.server = std::move(server);
  }
}

void TcpProxy::Impl::read(Pair& pair, std::size_t way, const Weather& now) {
  Flow& flow = pair.flows[way];
  const int from = way == 0 ? pair.client.get() : pair.server.get();
  if (flow.ended || flow.bytes >= kHeldBytesMax) return;
  std::string bytes(kReadBytes, '\0');
  const ssize_t got = ::recv(from, bytes.data(), bytes.size(), 0);
  if (got < 0) {
    if (!would_block()) pair.over = true;
    return;
  }
  if (got == 0) {
    flow.ended = true;
    return;
  }
  bytes.resize(static_cast<std::size_t>(got));
  flow.bytes += bytes.size();
  flow.held.push_back({Clock::now() + now.latency, std::move(bytes)});
}

std::size_t TcpProxy::Impl::allowed(const Flow& flow, const Weather& now) const {
  std::size_t most = kReadBytes;
  if (now.segment > 0) most = now.segment;
  if (now.bytes_per_second > 0)
    most = std::min(most, std::max<std::size_t>(1, now.bytes_per_second / 100));
  if (now.reset_after) most = std::min<std::size_t>(most, *now.reset_after - flow.carried);
  return most;
}

void TcpProxy::Impl::turn_a_bit(Flow& flow, std::size_t way, const Weather& now,
                                std::string& bytes) {
  if (!now.flip_after || flow.carried + bytes.size() <= *now.flip_after) return;
  const std::size_t at = *now.flip_after > flow.carried ? *now.flip_after - flow.carried : 0;
  bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
  ++flips;
  const std::lock_guard lock(mutex);
  weather[way].flip_after.reset();
}

void TcpProxy::Impl::write(Pair& pair, std::size_t way, const Weather& now) {
  Flow& flow = pair.flows[way];
  const int to = way == 0 ? pair.server.get() : pair.client.get();
  for (int writes = 0; writes < 256 && !flow.held.empty(); ++writes) {
    if (now.reset_after && flow.carried >= *now.reset_after) {
      ++resets;
      pair.over = true;
      const std::lock_guard lock(mutex);
      weather[way].reset_after.reset();
      return;
    }
    Held& first = flow.held.front();
    const Clock::time_point clock = Clock::now();
    if (first.due > clock || flow.next > clock) return;
    std::string bytes = first.bytes.substr(0, allowed(flow, now));
    std::string turned = bytes;
    Weather once = now;
    if (flow.carried + bytes.size() > once.flip_after.value_or(UINT64_MAX))
      turn_a_bit(flow, way, once, turned);
    const ssize_t sent = ::send(to, turned.data(), turned.size(), MSG_NOSIGNAL);
    if (sent < 0) {
      if (!would_block()) pair.over = true;
      return;
    }
    const auto size = static_cast<std::size_t>(sent);
    flow.carried += size;
    flow.bytes -= size;
    carried[way] += size;
    if (now.bytes_per_second > 0)
      flow.next = std::max(flow.next, clock - kBurst) +
                  std::chrono::microseconds(1'000'000 * size / now.bytes_per_second);
    first.bytes.erase(0, size);
    if (first.bytes.empty()) flow.held.pop_front();
    if (turned != bytes) return;  // the weather has changed
  }
  if (flow.ended && flow.held.empty() && !flow.told) {
    ::shutdown(to, SHUT_WR);
    flow.told = true;
  }
}

void TcpProxy::Impl::serve(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::vector<pollfd> items{{listener.get(), POLLIN, 0}};
    bool waits = false;  // for a clock, not for bytes
    for (const Pair& pair : pairs)
      for (std::size_t way = 0; way < 2 && !pair.pulled; ++way) {
        const Flow& flow = pair.flows[way];
        if (!flow.held.empty()) waits = true;
        if (!flow.ended && flow.bytes < kHeldBytesMax)
          items.push_back({way == 0 ? pair.client.get() : pair.server.get(), POLLIN, 0});
      }
    ::poll(items.data(), items.size(), waits ? 1 : 5);
    std::array<Weather, 2> now;
    std::array<std::uint64_t, 2> which{};
    {
      const std::lock_guard lock(mutex);
      now = weather;
      which = number;
      if (std::exchange(pull, false))
        for (Pair& pair : pairs) pair.pulled = true;
    }
    take_in();
    for (Pair& pair : pairs) {
      for (std::size_t way = 0; way < 2 && !pair.pulled && !pair.over; ++way) {
        if (std::exchange(pair.flows[way].weather, which[way]) != which[way])
          pair.flows[way].carried = 0;
        if (now[way].frozen) continue;
        read(pair, way, now[way]);
        if (!pair.over) write(pair, way, now[way]);
      }
      if (pair.flows[0].told && pair.flows[1].told) pair.over = true;
      if (!pair.over) continue;
      reset(pair.client);
      reset(pair.server);
    }
    pairs.remove_if([](const Pair& pair) { return pair.over; });
  }
}

TcpProxy::TcpProxy(std::uint16_t server_port) : impl_(std::make_unique<Impl>()) {
  impl_->server_port = server_port;
  impl_->listener = tcp_socket();
  sockaddr_in address = loopback(0);
  socklen_t length = sizeof address;
  if (::bind(impl_->listener.get(), reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      ::listen(impl_->listener.get(), 128) != 0 ||
      ::getsockname(impl_->listener.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0)
    throw std::system_error(errno, std::generic_category(), "listen");
  impl_->port = ntohs(address.sin_port);
  impl_->thread =
      std::jthread([impl = impl_.get()](const std::stop_token& stop) { impl->serve(stop); });
}

TcpProxy::~TcpProxy() = default;

std::uint16_t TcpProxy::port() const {
  return impl_->port;
}

void TcpProxy::set(Way way, const Weather& weather) {
  const std::lock_guard lock(impl_->mutex);
  impl_->weather[static_cast<std::size_t>(way)] = weather;
  ++impl_->number[static_cast<std::size_t>(way)];
}

void TcpProxy::pull_cable() {
  const std::lock_guard lock(impl_->mutex);
  impl_->pull = true;
}

void TcpProxy::clear() {
  set(Way::to_server, {});
  set(Way::to_client, {});
}

std::uint64_t TcpProxy::accepted() const {
  return impl_->accepted;
}

std::uint64_t TcpProxy::carried(Way way) const {
  return impl_->carried[static_cast<std::size_t>(way)];
}

std::uint64_t TcpProxy::resets() const {
  return impl_->resets;
}

std::uint64_t TcpProxy::flips() const {
  return impl_->flips;
}

std::uint16_t free_port() {
  std::random_device dice;
  for (int tries = 0; tries < 1'000; ++tries) {
    const auto port = static_cast<std::uint16_t>(20'000 + dice() % 12'000);
    const Descriptor probe = tcp_socket();
    const sockaddr_in address = loopback(port);
    if (::bind(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
      return port;
  }
  throw std::runtime_error("no port is free");
}

}  // namespace lockstep::test
