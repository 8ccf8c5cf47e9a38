// As core/check.h.
#error "core/tensor.h of the consumer"
