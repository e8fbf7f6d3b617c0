"""What a run would ask and cost, worked out before anything is asked; and batch jobs, submitted in advance."""
