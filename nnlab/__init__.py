"""The lab: data sets, experiments and training, for scratchnn and for jaxnn.

    nnlab list
    nnlab train digits-mlp --backend numpy
    nnlab train mnist-cnn --backend jax

From one seed both backends start from the same parameters and see the same batches, so their loss
curves agree to rounding, and either loads the other's checkpoint.
"""
