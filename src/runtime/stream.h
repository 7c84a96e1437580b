#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

namespace octet::runtime {

/// Seconds of one run, as the device's own clock saw them.
struct RunTimes {
  double upload_s = 0;
  double compute_s = 0;
  double download_s = 0;
};

/// Where the values of one session live and in which order its kernels run. One thread at a time.
/// Throws `Error(failed)` with the device's words when the device fails.
class Stream {
 public:
  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  virtual ~Stream() = default;

  /// Kernels read and write host memory: nothing is ever copied.
  [[nodiscard]] virtual bool on_host() const = 0;
  /// Memory for values, aligned to 64 at least.
  virtual std::shared_ptr<std::byte> allocate(size_t bytes) = 0;
  /// Host memory for results, from which copies are quick.
  virtual std::shared_ptr<std::byte> allocate_host(size_t bytes) = 0;
  /// `from` may be reused at once.
  virtual void upload(std::byte* to, std::span<const std::byte> from) = 0;
  /// `to` is filled once `wait` returns.
  virtual void download(std::span<std::byte> to, const std::byte* from) = 0;
  /// Issues kernels through `issue`, or replays what it issued when `run` was last called with the
  /// same `sizes`: everything that `issue` does must follow from them.
  virtual void run(std::span<const int64_t> sizes, const std::function<void()>& issue) = 0;
  /// Returns when everything issued is done.
  virtual void wait() = 0;
  /// Of the last run; zeros on the host, where the caller's clock tells as much.
  [[nodiscard]] virtual RunTimes times() const = 0;
};

/// Memory of the host; kernels run when they are issued.
class HostStream final : public Stream {
 public:
  [[nodiscard]] bool on_host() const override { return true; }
  std::shared_ptr<std::byte> allocate(size_t bytes) override;
  std::shared_ptr<std::byte> allocate_host(size_t bytes) override;
  void upload(std::byte* to, std::span<const std::byte> from) override;
  void download(std::span<std::byte> to, const std::byte* from) override;
  void run(std::span<const int64_t> sizes, const std::function<void()>& issue) override;
  void wait() override {}
  [[nodiscard]] RunTimes times() const override { return {}; }
};

}  // namespace octet::runtime
