#include "tests/support/postgres_proxy.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>
#include <system_error>

namespace lockstep::test {

namespace {

constexpr int kLookMs = 20;  // how soon a stop is noticed

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw std::runtime_error("socket path: " + path);
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Descriptor unix_socket() {
  Descriptor made{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (made.get() < 0) throw std::system_error(errno, std::generic_category(), "socket");
  return made;
}

bool send_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

// What can be read now; nothing at the end.
std::string receive(int descriptor) {
  std::array<char, 65536> buffer;
  const ssize_t got = ::recv(descriptor, buffer.data(), buffer.size(), 0);
  return got > 0 ? std::string(buffer.data(), static_cast<std::size_t>(got)) : std::string();
}

}  // namespace

PostgresProxy::PostgresProxy(std::string server_socket)
    : server_socket_(std::move(server_socket)), listener_(unix_socket()) {
  const sockaddr_un address = address_of(folder_.file(".s.PGSQL.5432"));
  if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener_.get(), 16) != 0)
    throw std::system_error(errno, std::generic_category(), "the proxy cannot listen");
  thread_ = std::thread([this] { serve(); });
}

PostgresProxy::~PostgresProxy() {
  stopping_ = true;
  thread_.join();
  for (const auto& link : links_) link->thread.join();
}

void PostgresProxy::cut_clients() {
  const std::lock_guard lock(mutex_);
  for (const auto& link : links_) {
    link->cut = true;
    ::shutdown(link->client.get(), SHUT_RDWR);
  }
}

void PostgresProxy::serve() {
  while (!stopping_) {
    pollfd wait{listener_.get(), POLLIN, 0};
    if (::poll(&wait, 1, kLookMs) <= 0) continue;
    auto link = std::make_unique<Link>();
    link->client = Descriptor{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
    link->server = unix_socket();
    const sockaddr_un address = address_of(server_socket_);
    if (::connect(link->server.get(), reinterpret_cast<const sockaddr*>(&address),
                  sizeof address) != 0)
      continue;  // nobody there: the client sees its connection end
    const std::lock_guard lock(mutex_);
    link->thread = std::thread([this, &link = *link] { forward(link); });
    links_.push_back(std::move(link));
  }
}

// Whole messages of the server go from `pending` to `ready`. True: the next one says that a COMMIT
// happened (CommandComplete, tag COMMIT), and the client is not to hear of it.
bool PostgresProxy::holds_commit(std::string& pending, std::string& ready) {
  constexpr std::size_t kHead = 5;  // type, and a length that counts itself
  while (pending.size() >= kHead) {
    std::size_t length = 1;
    for (std::size_t i = 1; i < kHead; ++i)
      length += static_cast<std::size_t>(static_cast<unsigned char>(pending[i])) << (8 * (4 - i));
    if (pending.size() < length) return false;
    const std::string_view body = std::string_view(pending).substr(kHead, length - kHead);
    if (pending[0] == 'C' && body == std::string_view("COMMIT\0", 7)) {
      if (to_swallow_.fetch_sub(1) > 0) {
        ++swallowed_;
        return true;
      }
      ++to_swallow_;
    }
    ready += pending.substr(0, length);
    pending.erase(0, length);
  }
  return false;
}

void PostgresProxy::forward(Link& link) {
  std::string pending;
  while (!stopping_) {
    std::array<pollfd, 2> waits{pollfd{link.cut ? -1 : link.client.get(), POLLIN, 0},
                                pollfd{link.server.get(), POLLIN, 0}};
    if (::poll(waits.data(), waits.size(), kLookMs) <= 0) continue;
    if (waits[1].revents != 0) {
      const std::string bytes = receive(link.server.get());
      if (bytes.empty()) break;
      pending += bytes;
      std::string ready;
      const bool swallow = holds_commit(pending, ready);
      if (link.cut) continue;
      static_cast<void>(send_all(link.client.get(), ready));
      if (swallow) break;
    }
    if (!link.cut && waits[0].revents != 0) {
      const std::string bytes = receive(link.client.get());
      if (bytes.empty() && !link.cut) break;
      if (!send_all(link.server.get(), bytes)) break;
    }
  }
  ::shutdown(link.client.get(), SHUT_RDWR);
  ::shutdown(link.server.get(), SHUT_RDWR);
}

}  // namespace lockstep::test
