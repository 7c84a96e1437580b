#pragma once

#include <map>
#include <memory>
#include <span>
#include <vector>

#include "cuda/driver.h"
#include "runtime/stream.h"

namespace octet::cuda {

/// One CUDA stream with its memory. A run is recorded as a CUDA graph the first time its sizes
/// occur and replayed from then on; the graphs used last are kept.
class CudaStream final : public runtime::Stream {
 public:
  explicit CudaStream(const Device& device);
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;
  ~CudaStream() override;

  [[nodiscard]] CUstream handle() const { return stream_; }

  [[nodiscard]] bool on_host() const override { return false; }
  std::shared_ptr<std::byte> allocate(size_t bytes) override;
  std::shared_ptr<std::byte> allocate_host(size_t bytes) override;
  void upload(std::byte* to, std::span<const std::byte> from) override;
  void download(std::span<std::byte> to, const std::byte* from) override;
  void run(std::span<const int64_t> sizes, const std::function<void()>& issue) override;
  void wait() override;
  [[nodiscard]] runtime::RunTimes times() const override { return times_; }

 private:
  struct Recorded {
    std::shared_ptr<CUgraphExec_st> graph;
    uint64_t used = 0;  ///< when it was replayed last
  };
  /// Marks between the parts of a run.
  struct Marks {
    std::shared_ptr<CUevent_st> begin;
    std::shared_ptr<CUevent_st> uploaded;
    std::shared_ptr<CUevent_st> computed;
    std::shared_ptr<CUevent_st> end;
  };

  std::shared_ptr<CUgraphExec_st> record(const std::function<void()>& issue);
  void mark(const std::shared_ptr<CUevent_st>& event);
  void forget_oldest();

  const Device& device_;
  CUstream stream_ = nullptr;
  std::map<std::vector<int64_t>, Recorded> recorded_;
  uint64_t runs_ = 0;
  Marks marks_;
  bool began_ = false;
  bool computed_ = false;
  runtime::RunTimes times_;
};

/// The handle behind a kernel's stream, which the backend made itself.
CUstream handle_of(const runtime::Stream* stream);

/// An event of the device, to be timed with `elapsed_ms`.
std::shared_ptr<CUevent_st> make_event(const Device& device);
/// Both events must have happened.
double elapsed_ms(const std::shared_ptr<CUevent_st>& from, const std::shared_ptr<CUevent_st>& to);

}  // namespace octet::cuda
