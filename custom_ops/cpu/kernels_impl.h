// The kernels of one instruction set; included once by each kernels_<set>.cc, which defines
// KERAS_PHASE_SET (a namespace), KERAS_PHASE_BYTES (of a vector) and KERAS_PHASE_ROWS (of a tile).
//
// No C++ standard header may be included here: a weak inline function compiled for AVX-512 could
// be the copy that the linker keeps for everybody.

#include "keras_phase/bilinear.h"
#include "simd.h"

namespace keras_phase {
namespace KERAS_PHASE_SET {

constexpr int kTileRows = KERAS_PHASE_ROWS;
constexpr int64_t kMaxDepth = 512;
// Rows of the packed A lie this far apart: not a power of two, for the sake of the cache's sets.
constexpr int64_t kRowStride = kMaxDepth + 16;
constexpr int64_t kMaxRows = 448;
constexpr int64_t kPanelBytes = 512 * 1024;

// How far one pass reaches: the packed panel of B has to stay in the second-level cache.
template <typename T>
static int64_t DepthBlock(const Bilinear<T>& p) {
  const int64_t fitting = kPanelBytes / (p.beta.rows * Simd<T>::kPanel * int64_t{sizeof(T)});
  const int64_t limit = fitting < 32 ? 32 : Min(kMaxDepth, fitting / 32 * 32);
  const int64_t blocks = (p.depth + limit - 1) / limit;
  return blocks == 0 ? 0 : Min(limit, RoundUp((p.depth + blocks - 1) / blocks, 16));
}

template <typename T>
static int64_t RowBlock(const Bilinear<T>& p) {
  // Four mebibytes of packed A.
  const int64_t fitting = (int64_t{4} << 20) / (p.alpha.rows * kRowStride * int64_t{sizeof(T)});
  const int64_t limit = fitting < kTileRows ? kTileRows : Min(kMaxRows, fitting);
  return Min(limit, p.rows);
}

template <typename T>
static int64_t PackedA(const Bilinear<T>& p) {
  const int64_t by_row = RowBlock(p) * kRowStride;
  const int64_t by_depth = kMaxDepth * (RoundUp(RowBlock(p), 16) + 32);
  return p.alpha.rows * (by_row > by_depth ? by_row : by_depth);
}

template <typename T>
static size_t Scratch(const Bilinear<T>& p) {
  const int64_t panel = Simd<T>::kPanel;
  return PackedA(p) + p.beta.rows * panel * (kMaxDepth + kTileRows) + panel;
}

// One linear combination of kVectors neighbouring vectors, from places `stride` numbers apart;
// `gate` may be null. Several at a time share the look-up of the terms.
template <typename T, int kVectors>
static inline void Combine(const Combination<T>& c, int row, const T* data, int64_t stride,
                           const T* gate, typename Simd<T>::Vector (&sum)[kVectors]) {
  typedef Simd<T> S;
  const typename S::Vector zero = {};
  for (int v = 0; v < kVectors; ++v) sum[v] = zero;
  for (int t = c.start[row]; t < c.start[row + 1]; ++t) {
    const T coefficient = c.coefficient[t];
    const int64_t place = c.index[t] * stride;
    for (int v = 0; v < kVectors; ++v) {
      typename S::Vector x = S::Load(data + place + v * S::kLanes);
      if (gate != nullptr) x = S::Load(gate + place + v * S::kLanes) > zero ? x : zero;
      sum[v] += coefficient * x;
    }
  }
}

template <typename T, int kVectors>
static inline void CombineTo(const Combination<T>& c, int row, const T* data, int64_t stride,
                             const T* gate, T* out) {
  typename Simd<T>::Vector sum[kVectors];
  if (gate == nullptr) {
    Combine<T, kVectors>(c, row, data, stride, nullptr, sum);
  } else {
    Combine<T, kVectors>(c, row, data, stride, gate, sum);
  }
  for (int v = 0; v < kVectors; ++v) Simd<T>::Store(out + v * Simd<T>::kLanes, sum[v]);
}

template <typename T>
static inline T CombineOne(const Combination<T>& c, int row, const T* data, int64_t stride,
                           const T* gate = nullptr) {
  T sum = 0;
  for (int t = c.start[row]; t < c.start[row + 1]; ++t) {
    const int64_t i = c.index[t] * stride;
    sum += c.coefficient[t] * (gate == nullptr || gate[i] > 0 ? data[i] : T{0});
  }
  return sum;
}

// `size` combined numbers along an axis of stride 1.
template <typename T>
static inline void CombineLine(const Combination<T>& c, int row, const T* data, int64_t stride,
                               int64_t size, T* out, const T* gate) {
  constexpr int lanes = Simd<T>::kLanes, many = 8;
  int64_t i = 0;
  for (; i + many * lanes <= size; i += many * lanes) {
    CombineTo<T, many>(c, row, data + i, stride, gate ? gate + i : nullptr, out + i);
  }
  for (; i + lanes <= size; i += lanes) {
    CombineTo<T, 1>(c, row, data + i, stride, gate ? gate + i : nullptr, out + i);
  }
  for (; i < size; ++i) {
    out[i] = CombineOne(c, row, data + i, stride, gate ? gate + i : nullptr);
  }
}

// Packed A: product by product, by rows if the depth has stride 1, else by depth.
template <typename T>
static int64_t PackA(const Bilinear<T>& p, int64_t row, int64_t rows, int64_t depth0,
                     int64_t depth, T* packed) {
  const bool by_row = p.a.column == 1;
  const int64_t lines = by_row ? rows : depth, length = by_row ? depth : rows;
  const int64_t stride = by_row ? kRowStride : RoundUp(rows, 16) + 16;
  const int64_t offset = row * p.a.row + depth0 * p.a.column;
  const T* origin = p.a.data + offset;
  const T* gate = p.gate_a ? p.gate_a + offset : nullptr;
  const int64_t step = by_row ? p.a.row : p.a.column;
  for (int r = 0; r < p.alpha.rows; ++r) {
    for (int64_t i = 0; i < lines; ++i) {
      CombineLine(p.alpha, r, origin + i * step, p.a.component, length,
                  packed + (r * lines + i) * stride, gate ? gate + i * step : nullptr);
    }
  }
  return stride;
}

// Exchanges rows and columns of a square of vectors, doubling the blocks that are in place.
template <typename T>
static inline void Transpose(typename Simd<T>::Vector (&v)[Simd<T>::kLanes]) {
  constexpr int lanes = Simd<T>::kLanes;
#if defined(__clang__)
  for (int i = 0; i < lanes; ++i) {
    for (int j = i + 1; j < lanes; ++j) {
      const T kept = v[i][j];
      v[i][j] = v[j][i];
      v[j][i] = kept;
    }
  }
#else
  typedef typename Integer<T>::Type Index __attribute__((vector_size(KERAS_PHASE_BYTES)));
#pragma GCC unroll 5
  for (int s = 1; s < lanes; s *= 2) {
    Index low, high;
#pragma GCC unroll 16
    for (int j = 0; j < lanes; ++j) {
      low[j] = j & s ? lanes + j - s : j;
      high[j] = j & s ? lanes + j : j + s;
    }
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) {
      if (i & s) continue;
      const typename Simd<T>::Vector x = v[i], y = v[i + s];
      v[i] = __builtin_shuffle(x, y, low);
      v[i + s] = __builtin_shuffle(x, y, high);
    }
  }
#endif
}

// A panel of B, product by product and depth by depth, columns past the end as zeros.
template <typename T>
static void PackB(const Bilinear<T>& p, int64_t depth0, int64_t depth, int64_t column,
                  int64_t columns, T* packed) {
  constexpr int lanes = Simd<T>::kLanes, panel = Simd<T>::kPanel;
  const int64_t offset = depth0 * p.b.row + column * p.b.column;
  const T* origin = p.b.data + offset;
  const int64_t component = p.b.component;
  for (int r = 0; r < p.beta.rows; ++r, packed += depth * panel) {
    if (p.b.column == 1) {
      for (int64_t k = 0; k < depth; ++k) {
        T* line = packed + k * panel;
        const T* source = origin + k * p.b.row;
        const T* gate = p.gate_b ? p.gate_b + offset + k * p.b.row : nullptr;
        if (columns == panel) {
          CombineTo<T, kTileVectors>(p.beta, r, source, component, gate, line);
          continue;
        }
        CombineLine(p.beta, r, source, component, columns, line, gate);
        for (int64_t j = columns; j < panel; ++j) line[j] = 0;
      }
      continue;
    }
    for (int64_t j0 = 0; j0 < panel; j0 += lanes) {
      int64_t k = 0;
      if (j0 + lanes <= columns) {
        for (; k + lanes <= depth; k += lanes) {
          typename Simd<T>::Vector square[lanes];
#pragma GCC unroll 16
          for (int j = 0; j < lanes; ++j) {
            typename Simd<T>::Vector one[1];
            Combine<T, 1>(p.beta, r, origin + (j0 + j) * p.b.column + k, component, nullptr, one);
            square[j] = one[0];
          }
          Transpose<T>(square);
#pragma GCC unroll 16
          for (int j = 0; j < lanes; ++j) {
            Simd<T>::Store(packed + (k + j) * panel + j0, square[j]);
          }
        }
      }
      for (; k < depth; ++k) {
        for (int64_t j = j0; j < j0 + lanes; ++j) {
          packed[k * panel + j] =
              j < columns ? CombineOne(p.beta, r, origin + j * p.b.column + k, component) : T{0};
        }
      }
    }
  }
}

// A tile of one real product: kRows rows, a panel of columns.
template <typename T, int kRows, bool kByRow>
static void Tile(const T* a, int64_t stride, const T* b, int64_t depth, T* out) {
  typedef Simd<T> S;
  typename S::Vector sum[kRows][kTileVectors] = {};
  for (int64_t k = 0; k < depth; ++k, b += S::kPanel) {
    const typename S::Vector b0 = S::Load(b), b1 = S::Load(b + S::kLanes);
    const T* line = kByRow ? a + k : a + k * stride;
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const T x = line[kByRow ? i * kRowStride : i];
      sum[i][0] += x * b0;
      sum[i][1] += x * b1;
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
    S::Store(out + i * S::kPanel, sum[i][0]);
    S::Store(out + i * S::kPanel + S::kLanes, sum[i][1]);
  }
}

template <typename T, bool kByRow, int kRows>
static inline void TileOf(int rows, const T* a, int64_t stride, const T* b, int64_t depth,
                          T* out) {
  if constexpr (kRows == 1) {
    Tile<T, 1, kByRow>(a, stride, b, depth, out);
  } else if (rows == kRows) {
    Tile<T, kRows, kByRow>(a, stride, b, depth, out);
  } else {
    TileOf<T, kByRow, kRows - 1>(rows, a, stride, b, depth, out);
  }
}

// out = (or +=, past the first block of the depth) the gamma combinations of the products' tiles;
// the bias comes with the first block, the ReLU after the last.
template <typename T>
static void WriteOut(const Bilinear<T>& p, const T* tiles, int rows, int64_t row, int64_t column,
                     int64_t columns, bool add, bool relu) {
  constexpr int lanes = Simd<T>::kLanes, panel = Simd<T>::kPanel;
  const int64_t tile = kTileRows * panel;
  const typename Simd<T>::Vector zero = {};
  for (int c = 0; c < p.gamma.rows; ++c) {
    T bias[panel] = {};
    if (p.bias != nullptr && !add) {
      for (int64_t j = 0; j < columns; ++j) bias[j] = p.bias[c * p.columns + column + j];
    }
    for (int i = 0; i < rows; ++i) {
      T* out = p.out.data + c * p.out.component + (row + i) * p.out.row + column;
      typename Simd<T>::Vector sums[kTileVectors];
      Combine<T, kTileVectors>(p.gamma, c, tiles + i * panel, tile, nullptr, sums);
      for (int64_t j = 0; j < columns; j += lanes) {
        typename Simd<T>::Vector sum = sums[j / lanes] + Simd<T>::Load(bias + j);
        if (j + lanes <= columns) {
          if (add) sum += Simd<T>::Load(out + j);
          Simd<T>::Store(out + j, relu ? (sum < zero ? zero : sum) : sum);
          continue;
        }
        for (int64_t l = 0; j + l < columns; ++l) {
          const T x = add ? out[j + l] + sum[l] : sum[l];
          out[j + l] = relu && x < 0 ? T{0} : x;
        }
      }
    }
  }
}

template <typename T>
static void Run(const Bilinear<T>& p, int64_t row_begin, int64_t row_end, int64_t column_begin,
                int64_t column_end, T* scratch) {
  constexpr int panel = Simd<T>::kPanel;
  const bool by_row = p.a.column == 1;
  const int64_t depth_block = DepthBlock(p), row_block = RowBlock(p);
  const int products = p.alpha.rows;
  T* packed_a = scratch;
  T* packed_b = packed_a + PackedA(p);
  T* tiles = packed_b + products * panel * kMaxDepth;
  for (int64_t row0 = row_begin; row0 < row_end; row0 += row_block) {
    const int64_t rows = Min(row_block, row_end - row0);
    const int64_t num_tiles = (rows + kTileRows - 1) / kTileRows;
    for (int64_t depth0 = 0; depth0 < p.depth; depth0 += depth_block) {
      const int64_t depth = Min(depth_block, p.depth - depth0);
      const int64_t stride = PackA(p, row0, rows, depth0, depth, packed_a);
      const int64_t product = (by_row ? rows : depth) * stride;
      for (int64_t column = column_begin; column < column_end; column += panel) {
        const int64_t columns = Min(panel, column_end - column);
        PackB(p, depth0, depth, column, columns, packed_b);
        for (int64_t t = 0; t < num_tiles; ++t) {
          // Tiles of about the same height: a thin last one would waste the broadcasts.
          const int64_t first = rows * t / num_tiles;
          const int height = static_cast<int>(rows * (t + 1) / num_tiles - first);
          for (int r = 0; r < products; ++r) {
            const T* a = packed_a + r * product + first * (by_row ? stride : 1);
            const T* b = packed_b + r * depth * panel;
            T* out = tiles + r * kTileRows * panel;
            if (by_row) {
              TileOf<T, true, kTileRows>(height, a, stride, b, depth, out);
            } else {
              TileOf<T, false, kTileRows>(height, a, stride, b, depth, out);
            }
          }
          WriteOut(p, tiles, height, row0 + first, column, columns, depth0 > 0,
                   p.relu && depth0 + depth == p.depth);
        }
      }
    }
  }
}

template <typename T>
static void RunRescale(const Rescale<T>& p, int64_t begin, int64_t end) {
  constexpr int64_t kBlock = 256;
  constexpr T kSmallest = T{1.17549435e-38f};  // as in the stock form, for every dtype
  T factor[kBlock];
  for (; begin < end; begin += kBlock) {
    const int64_t size = Min(kBlock, end - begin);
    if (p.gain == nullptr) {
      for (int64_t c = 0; c < p.dimension; ++c) {
        const T* w = p.w + c * p.size + begin;
        T* out = p.out + c * p.size + begin;
        for (int64_t i = 0; i < size; ++i) out[i] = p.keep[begin + i] ? w[i] : T{0};
      }
      continue;
    }
    for (int64_t i = 0; i < size; ++i) factor[i] = 0;
    for (int64_t c = 0; c < p.dimension; ++c) {
      const T* w = p.w + c * p.size + begin;
      for (int64_t i = 0; i < size; ++i) factor[i] += w[i] * w[i];
    }
    const unsigned char* keep = p.keep + begin;
    const float* gain = p.gain + begin;
    for (int64_t i = 0; i < size; ++i) {
      const T square = factor[i] > kSmallest ? factor[i] : kSmallest;
      const T modulus = sizeof(T) == 4 ? T(__builtin_sqrtf(square)) : T(__builtin_sqrt(square));
      factor[i] = T(keep[i]) + T(gain[i]) / modulus;
    }
    for (int64_t c = 0; c < p.dimension; ++c) {
      const T* w = p.w + c * p.size + begin;
      T* out = p.out + c * p.size + begin;
      for (int64_t i = 0; i < size; ++i) out[i] = w[i] * factor[i];
    }
  }
}

template <typename T>
static void SumRows(const RowSum<T>& p, int64_t begin, int64_t end) {
  for (int64_t j = begin; j < end; ++j) p.out[j] = 0;
  for (int64_t i = 0; i < p.rows; ++i) {
    const T* in = p.in + i * p.columns;
    if (p.gate == nullptr) {
      for (int64_t j = begin; j < end; ++j) p.out[j] += in[j];
      continue;
    }
    const T* gate = p.gate + i * p.columns;
    for (int64_t j = begin; j < end; ++j) p.out[j] += gate[j] > 0 ? in[j] : T{0};
  }
}

extern const Kernels<float> kFloat;
extern const Kernels<double> kDouble;
const Kernels<float> kFloat = {Scratch<float>, Run<float>, RunRescale<float>, SumRows<float>,
                               Simd<float>::kPanel};
const Kernels<double> kDouble = {Scratch<double>, Run<double>, RunRescale<double>, SumRows<double>,
                                 Simd<double>::kPanel};

}  // namespace KERAS_PHASE_SET
}  // namespace keras_phase
