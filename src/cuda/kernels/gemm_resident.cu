// y = epilogue(A W^T) with a panel of W, TILE_COLUMNS x K, resident in shared memory: only A is
// streamed, so little traffic, and warpgroups take turns on tiles of 64 rows, so that the epilogue
// of one runs under the products of another. For K whose panel fits. Blocks: as many as the device
// has multiprocessors, at least as many as there are panels.
#include "gemm_sm90.cuh"

constexpr int kASlabBytes = kWarpgroupRows * kSlabBytes;
constexpr int kStageBytes = STAGE_SLABS * kASlabBytes;
constexpr int kPanelSlabBytes = TILE_COLUMNS * kSlabBytes;
constexpr int kPanels = (COLUMNS + TILE_COLUMNS - 1) / TILE_COLUMNS;

// `count` tiles of one panel: first, first + stride, ...
struct Segment {
  int panel, first, stride, count;
};

// What a block computes, segment by segment. `streams` blocks share each panel and walk the rows in
// step with the other panels' blocks, so that A comes from memory once; the blocks left over take
// the last rows of every panel.
struct Schedule {
  int tiles;            // of rows
  int streams, length;  // length: tiles of a stream
  int rest;             // tiles of a panel behind the streams'
  int next, end;        // over panels * rest, or one segment

  __device__ __forceinline__ explicit Schedule(int row_tiles) : tiles(row_tiles) {
    const int blocks = gridDim.x, block = blockIdx.x;
    streams = max(blocks / kPanels, 1);
    const int extra = blocks - streams * kPanels;
    length = extra > 0 ? (tiles * kPanels + blocks - 1) / blocks : (tiles + streams - 1) / streams;
    rest = max(tiles - streams * length, 0);
    next = 0, end = 1;
    if (!in_stream()) {
      const int64_t units = (int64_t)kPanels * rest;
      next = (int)((block - streams * kPanels) * units / extra);
      end = (int)((block - streams * kPanels + 1) * units / extra);
    }
  }
  __device__ __forceinline__ bool in_stream() const { return blockIdx.x < streams * kPanels; }
  __device__ __forceinline__ bool take(Segment& segment) {
    if (next >= end) return false;
    if (in_stream()) {
      const int first = blockIdx.x / kPanels;
      segment = {(int)(blockIdx.x % kPanels), first, streams,
                 min(length, (tiles - first + streams - 1) / streams)};
      next = end;
    } else {
      segment = {next / rest, streams * length + next % rest, 1,
                 min(rest - next % rest, end - next)};
      next += segment.count;
    }
    return segment.count > 0;
  }
};

// Addresses in shared memory.
struct Shared {
  uint32_t a, panel, barriers;
  __device__ __forceinline__ explicit Shared(const uint8_t* base)
      : a(shared_address(base)),
        panel(a + STAGES * kStageBytes),
        barriers(panel + kSlabs * kPanelSlabBytes) {}
  __device__ __forceinline__ Ring ring() const { return Ring(barriers); }
  __device__ __forceinline__ Turns turns() const { return {barriers + Ring::kBytes}; }
  // The panel's slabs of one step are there, and are no longer needed.
  __device__ __forceinline__ uint32_t panel_full(int step) const {
    return barriers + Ring::kBytes + Turns::kBytes + 8 * step;
  }
  __device__ __forceinline__ uint32_t panel_empty(int step) const {
    return panel_full(kSteps + step);
  }

  __device__ __forceinline__ void init() const {
    ring().init(4);
    turns().init();
    for (int step = 0; step < kSteps; ++step) {
      barrier_init(panel_full(step), 1);
      barrier_init(panel_empty(step), CONSUMERS * 4);
    }
    barrier_init_done();
  }
};

__device__ __forceinline__ void load_panel(const TensorMap* map, const Shared& shared, int panel,
                                           int step, int segments_before) {
  const uint32_t full = shared.panel_full(step);
  if (segments_before > 0) barrier_wait(shared.panel_empty(step), (segments_before & 1) ^ 1);
  barrier_expect(full, STAGE_SLABS * kPanelSlabBytes);
#pragma unroll
  for (int i = 0; i < STAGE_SLABS; ++i) {
    const int k = step * STAGE_SLABS + i;
    load_tile(shared.panel + k * kPanelSlabBytes, map, full, k * kSlabElements,
              panel * TILE_COLUMNS);
  }
}

__device__ __forceinline__ void produce(const TensorMap* a_map, const TensorMap* w_map,
                                        const Shared& shared, Schedule schedule) {
  const Ring ring = shared.ring();
  RingPosition at = RingPosition::at(0);
  Segment segment;
  for (int segments = 0; schedule.take(segment); ++segments) {
    if (segments == 0) {
      // Weights do not depend on the kernel before: the panel is on the way while it ends.
#pragma unroll 1
      for (int step = 0; step < kSteps; ++step) load_panel(w_map, shared, segment.panel, step, 0);
      wait_for_previous_kernel();
    }
    for (int i = 0; i < segment.count; ++i) {
#pragma unroll 1
      for (int step = 0; step < kSteps; ++step) {
        if (i == 0 && segments > 0) load_panel(w_map, shared, segment.panel, step, segments);
        const uint32_t barrier = ring.acquire(at, kStageBytes);
#pragma unroll
        for (int slab = 0; slab < STAGE_SLABS; ++slab) {
          load_a(shared.a + at.slot * kStageBytes + slab * kASlabBytes, a_map, barrier,
                 step * STAGE_SLABS + slab, (segment.first + i * segment.stride) * kWarpgroupRows);
        }
        at.advance();
      }
    }
  }
}

__device__ __forceinline__ void consume(const Shared& shared, Schedule schedule,
                                        const GemmArguments& g) {
  const Ring ring = shared.ring();
  const Turns turns = shared.turns();
  const int warpgroup = warpgroup_id();
  float sums[kSums];
  int before = 0;  // tiles of earlier segments
  int taken = 0;   // tiles of this warpgroup
  Segment segment;
  for (int segments = 0; schedule.take(segment); ++segments, before += segment.count) {
    const int column = segment.panel * TILE_COLUMNS + lane_column();
    const NUMBERS numbers(g, column);
    const auto release_panel = [&](int step) {
      if (lane_id() == 0) barrier_arrive(shared.panel_empty(step));
    };
    const int first = (warpgroup + CONSUMERS - before % CONSUMERS) % CONSUMERS;
    if (first >= segment.count) {  // none is ours; released in the right phase all the same
#pragma unroll 1
      for (int step = 0; step < kSteps; ++step) {
        barrier_wait(shared.panel_full(step), segments & 1);
        release_panel(step);
      }
    }
    for (int i = first; i < segment.count; i += CONSUMERS) {
      const int row =
          (segment.first + i * segment.stride) * kWarpgroupRows + warp_of_group() * 16 + lane_row();
      const bool last = i + CONSUMERS >= segment.count;
      ResidualTile<kGroups> residual;
      residual.load(g, row, column);
      turns.take(warpgroup, taken++);
      RingPosition at = RingPosition::at((before + i) * kSteps);
      int previous = 0;
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
        if (i == first) barrier_wait(shared.panel_full(step), segments & 1);
        ring.wait(at);
        multiply_stage<kASlabBytes, kPanelSlabBytes>(
            sums, shared.a + at.slot * kStageBytes,
            shared.panel + step * STAGE_SLABS * kPanelSlabBytes, step > 0);
        if (step == kSteps - 1) turns.pass(warpgroup);
        if (step > 0) {
          wgmma_wait<1>();
          ring.release(previous);
          if (last) release_panel(step - 1);
        }
        previous = at.slot;
        at.advance();
      }
      wgmma_wait<0>();
      ring.release(previous);
      if (last) release_panel(kSteps - 1);
      finish_tile<kGroups>(sums, numbers, residual, g, row, column);
    }
  }
}

extern "C" __global__ void __launch_bounds__((CONSUMERS + 1) * 128, 1)
    gemm(const __grid_constant__ TensorMap a_map, const __grid_constant__ TensorMap w_map,
         const __grid_constant__ GemmArguments g) {
  extern __shared__ __align__(1024) uint8_t bytes[];
  const Shared shared(bytes);
  if (threadIdx.x == 0) shared.init();
  __syncthreads();
  start_next_kernel();
  const Schedule schedule(g.row_tiles);
  if (warpgroup_id() == CONSUMERS) {
    give_registers<PRODUCER_REGISTERS>();
    if (threadIdx.x == CONSUMERS * 128) produce(&a_map, &w_map, shared, schedule);
  } else {
    take_registers<CONSUMER_REGISTERS>();
    wait_for_previous_kernel();
    consume(shared, schedule, g);
  }
}
