"""The page: Gradio's face on pgstalker. It calls the library; it holds no tensors and no maths."""
