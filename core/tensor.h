// Tensor: a cheap handle to shared storage, a shape, a dtype, a memory format and autograd state.
// What concerns the data is defined in tensor.cpp, what concerns the graph in tensor_autograd.cpp,
// which stands above core/autograd; the operations among the methods are defined in core/ops.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/autograd/hook.h"
#include "core/dtype.h"
#include "core/shape.h"
#include "core/storage.h"

namespace resgrad {

class Node;
class Random;
struct TensorImpl;

struct BackwardOptions {
  /// Keep the saved tensors, so that backward() can be called again on the same graph.
  bool retain_graph = false;
};

/// A dense tensor. Copies are handles to the same tensor: they share data and gradient.
/// Shapes are logical, [N, C, H, W], whatever the memory format.
class Tensor {
 public:
  /// An undefined tensor; only defined(), assignment and destruction are allowed.
  Tensor() = default;

  // ---- creation --------------------------------------------------------------------------------
  /// Uninitialised.
  /// Throws  ShapeError for a negative size or channels_last with rank other than 4.
  static Tensor empty(Shape shape, DType dtype = DType::float32,
                      MemoryFormat format = MemoryFormat::contiguous);
  static Tensor full(Shape shape, double value, DType dtype = DType::float32,
                     MemoryFormat format = MemoryFormat::contiguous);
  static Tensor zeros(Shape shape, DType dtype = DType::float32,
                      MemoryFormat format = MemoryFormat::contiguous);
  static Tensor ones(Shape shape, DType dtype = DType::float32,
                     MemoryFormat format = MemoryFormat::contiguous);
  /// Rank 0.
  static Tensor scalar(double value, DType dtype = DType::float32);
  /// From values in logical (row-major) order; throws ShapeError when their number is not
  /// numel(shape).
  template <class T>
  static Tensor from(std::span<const T> values, Shape shape);
  template <class T>
  static Tensor from(const std::vector<T>& values, Shape shape) {
    return from(std::span<const T>(values), std::move(shape));
  }
  template <class T>
  static Tensor from(std::initializer_list<T> values, Shape shape) {
    return from(std::span<const T>(values.begin(), values.size()), std::move(shape));
  }
  /// Standard normal values drawn from `random` in memory order.
  /// Throws  ValueError for int64, here and below.
  static Tensor randn(Shape shape, Random& random, DType dtype = DType::float32,
                      MemoryFormat format = MemoryFormat::contiguous);
  /// Uniform values in [low, high), in memory order.
  static Tensor rand(Shape shape, Random& random, double low = 0, double high = 1,
                     DType dtype = DType::float32, MemoryFormat format = MemoryFormat::contiguous);
  /// Uninitialised, with shape, dtype and format of `other`.
  static Tensor empty_like(const Tensor& other);
  static Tensor zeros_like(const Tensor& other);

  // ---- properties ------------------------------------------------------------------------------
  bool defined() const { return impl_ != nullptr; }
  const Shape& shape() const;
  std::int64_t rank() const { return static_cast<std::int64_t>(shape().size()); }
  /// Size of one axis; negative axes count from the end.
  /// Throws  ShapeError when out of range.
  std::int64_t dim(std::int64_t axis) const;
  std::int64_t numel() const;
  DType dtype() const;
  MemoryFormat memory_format() const;
  /// In elements, per logical axis.
  std::vector<std::int64_t> strides() const;
  /// A counter of changes in place, shared by all tensors on the same storage.
  std::uint64_t version() const;
  bool is_same(const Tensor& other) const { return impl_ == other.impl_; }

  // ---- data ------------------------------------------------------------------------------------
  /// The elements in memory order. Whoever writes through the pointer after the tensor was used in
  /// an operation calls bump_version().
  /// Throws  ValueError when T is not the dtype.
  template <class T>
  T* data();
  template <class T>
  const T* data() const;
  std::byte* bytes();
  const std::byte* bytes() const;
  std::size_t byte_size() const;
  /// The one element; throws ShapeError when there are more.
  double item() const;
  /// All elements in logical (row-major) order, converted to T.
  template <class T>
  std::vector<T> to_vector() const;

  // ---- changes in place (never recorded; an error on what requires a gradient while gradients
  //      are recorded) --------------------------------------------------------------
  void fill_(double value);
  void zero_() { fill_(0); }
  /// Copies the values of `source`, in any memory format.
  /// Throws  ShapeError or ValueError for another shape or dtype.
  void copy_(const Tensor& source);
  void bump_version();
  /// Makes this tensor, for all its handles, hold the data of `other`: shape, dtype and format may
  /// change. It goes on to require a gradient or not, and keeps its hooks; its gradient is dropped,
  /// and graphs made before do not reach it any more.
  /// Throws  StateError unless it is a leaf, ValueError for a dtype that cannot have a gradient
  ///         where it requires one.
  void set_data(const Tensor& other);

  // ---- without a gradient ----------------------------------------------------------------------
  /// The same data without history.
  Tensor detach() const;
  /// The values in this memory format, without history; the data are not copied when the tensor has
  /// that format, and it is returned itself when it has no history either.
  Tensor detach(MemoryFormat format) const;

  // ---- views and copies (recorded) -------------------------------------------------------------
  /// The same data under another shape.
  /// Throws  ShapeError for a channels_last tensor or another number of elements.
  Tensor view(Shape shape) const;
  /// Rows [begin, end) of the outermost axis as a view on the same data.
  /// Throws  ShapeError for rank 0 or a range outside the axis.
  Tensor narrow(std::int64_t begin, std::int64_t end) const;
  /// A deep copy.
  Tensor clone() const;

  // ---- autograd --------------------------------------------------------------------------------
  bool requires_grad() const;
  /// Makes a leaf (a parameter, an input) collect its gradient.
  /// Throws  ValueError for int64, StateError unless it is a leaf.
  Tensor& set_requires_grad(bool value = true);
  bool is_leaf() const;
  /// The gradient accumulated by backward(), or an undefined tensor.
  Tensor grad() const;
  /// Throws  ShapeError or ValueError for a gradient of another shape or dtype.
  void set_grad(Tensor grad);
  /// Drops the gradient, so that the next backward() starts from nothing.
  void zero_grad();
  /// The operation that made this tensor; for a leaf that requires a gradient, its accumulator.
  const std::shared_ptr<Node>& grad_fn() const;
  /// Computes d(this)/d(leaf) for all leaves and adds it to their grad(). The tensor must have one
  /// element.
  /// Throws  ShapeError unless it has one element; StateError when there is no graph, its saved
  ///         tensors were freed, or one of them was changed in place since.
  void backward(BackwardOptions options = {}) const;
  /// The same for any shape, from the gradient `dy` of this tensor.
  /// Throws  ValueError for an undefined `dy`, ShapeError or ValueError for one of another shape or
  ///         dtype; StateError as above.
  void backward(const Tensor& dy, BackwardOptions options = {}) const;
  /// Calls `hook` with the gradient of this tensor when it is complete, in each backward(), until
  /// it is removed; a defined result replaces the gradient. Hooks are called in the order in which
  /// they were registered; one that a hook of the same tensor adds or removes counts from the next
  /// backward() on.
  /// Throws  StateError when the tensor does not require a gradient.
  HookHandle register_hook(Hook hook) const;

  // ---- operations as methods (see core/ops) ----------------------------------------------------
  Tensor sum() const;
  Tensor mean() const;
  Tensor reshape(const Shape& shape) const;
  Tensor to(MemoryFormat format) const;
  Tensor to(DType dtype) const;

  /// For autograd and the operations.
  const std::shared_ptr<TensorImpl>& impl() const { return impl_; }
  explicit Tensor(std::shared_ptr<TensorImpl> impl) : impl_(std::move(impl)) {}

 private:
  TensorImpl& checked() const;

  std::shared_ptr<TensorImpl> impl_;
};

/// Where the elements of a tensor are and how they are read.
struct TensorData {
  std::shared_ptr<Storage> storage;
  std::size_t offset = 0;  // bytes
  Shape shape;
  DType dtype = DType::float32;
  MemoryFormat format = MemoryFormat::contiguous;
};

struct TensorImpl : TensorData {
  Tensor grad;
  std::shared_ptr<Node> grad_fn;  // set exactly when the tensor requires a gradient
  std::shared_ptr<Hooks> hooks;   // those of grad_fn; a leaf keeps them without one
};

}  // namespace resgrad
