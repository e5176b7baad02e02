mod differential;
mod life;
mod program;
