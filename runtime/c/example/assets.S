/* The model and the images in flash, where they stay. */
    .section .assets, "a"
    .global model, model_end, images, images_end
    /* As the format asks. */
    .balign 16
model:
    .incbin MODEL
model_end:
images:
    .incbin IMAGES
images_end:
