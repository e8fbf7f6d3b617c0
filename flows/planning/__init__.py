"""What a run would ask and cost, said before anything is asked; and batch jobs, which are submitted ahead."""
